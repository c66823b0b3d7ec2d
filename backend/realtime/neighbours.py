"""Which other process listens to what: so that a bell is only rung where somebody hears it. Pure: no clock, no line.

Each process keeps for every other one the set of topics that it listens to. Changes of such a set are numbered like the
events of a trip: the next number is applied, a higher one means that something was lost. A neighbour whose list
is not known for certain is told everything until it is. So nothing here has to be right for delivery to be whole; what
is wrong costs a superfluous bell, or at worst waits for the re-check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from backend.realtime.letters import WHOLE, Ask, Bye, Interests, Letter

#: 128 bits as a number: a trip's id, or the digest of a staff topic.
Topic = int

#: A neighbour that says nothing for this long is forgotten; it says something every `BEAT_S` of the hub.
FORGET_S = 10.0
#: A neighbour with more topics than this is told everything.
MAX_TOPICS = 100_000


class Neighbour:
    """One other process, as it is known here. `version` None: its list is not known, it is told everything."""

    __slots__ = ("asked", "heard_at", "topics", "version")

    def __init__(self, heard_at: float) -> None:
        self.topics: set[Topic] = set()
        self.version: int | None = 0
        self.heard_at = heard_at
        self.asked = False


class Neighbours:
    """What the others listen to, and what we told them of ourselves.

    `tell(process, letter)` sends to one process, or to all of them for None.
    """

    def __init__(self, tell: Callable[[bytes | None, Letter], None]) -> None:
        self._tell = tell
        self._known: dict[bytes, Neighbour] = {}
        self._listeners: dict[Topic, tuple[bytes, ...]] = {}
        self._unsure: tuple[bytes, ...] = ()
        self._mine: set[Topic] = set()
        self._added: set[Topic] = set()
        self._left: set[Topic] = set()
        self._version = 0

    # -- what we listen to -----------------------------------------------------------------------------------------

    def want(self, topic: Topic) -> bool:
        """Listen to a topic; True when the others have to be told, by `say`."""
        self._left.discard(topic)
        if topic not in self._mine:
            self._mine.add(topic)
            self._added.add(topic)
        return topic in self._added

    def leave(self, topic: Topic) -> None:
        """Listen no more. The others hear of it with the next beat: phones that reconnect come back before that."""
        if topic in self._mine:
            self._left.add(topic)

    def say(self) -> None:
        """Tell the others what we listen to since the last time."""
        added = self._added - self._left
        if added:
            self._added -= added
            self._change(added, set())

    def thawed(self, now: float) -> None:
        """We were frozen, not they: what they said meanwhile may still wait to be read. Nobody is forgotten for it."""
        for known in self._known.values():
            known.heard_at = now
        self._tell(None, Ask())

    def beat(self, now: float) -> None:
        """Forget who is silent, ask again who is not understood, and show that we live if anybody may care."""
        for process in [name for name, known in self._known.items() if now - known.heard_at > FORGET_S]:
            self._forget(process)
        for known in self._known.values():
            known.asked = False
        self._mine -= self._left
        added, removed = self._added - self._left, self._left - self._added
        self._added, self._left = set(), set()
        if added or removed:
            self._change(added, removed)
        elif self._version:
            self._tell(None, Interests(self._version, self._version))

    def subscribed(self) -> None:
        """Valkey has just begun to ring here: ask who is there, and say what we have."""
        self._tell(None, Ask())
        self.say()
        if self._version:
            self._tell(None, Interests(self._version, self._version))

    def bye(self) -> None:
        """We stop."""
        if self._version:
            self._tell(None, Bye())

    def _change(self, added: set[Topic], removed: set[Topic]) -> None:
        self._version += 1
        self._tell(None, Interests(self._version - 1, self._version, _packed(added), _packed(removed)))

    # -- what the others listen to ---------------------------------------------------------------------------------

    def listeners(self, topic: Topic) -> tuple[bytes, ...]:
        """Who has to be told of a topic; None of them is us."""
        found = self._listeners.get(topic, ())
        return found + self._unsure if self._unsure else found

    def among(self, topics: Iterable[Topic]) -> dict[bytes, list[Topic]]:
        """For each neighbour those of `topics` that it has to be told of."""
        found: dict[bytes, list[Topic]] = {}
        for topic in topics:
            for process in self.listeners(topic):
                found.setdefault(process, []).append(topic)
        return found

    @property
    def count(self) -> int:
        """How many other processes are known."""
        return len(self._known)

    def hear(self, process: bytes, letter: Interests | Ask | Bye, now: float) -> set[Topic]:
        """Take a neighbour's word; returns what it listens to since now."""
        if isinstance(letter, Bye):
            self._forget(process)
        elif isinstance(letter, Ask):
            self._answer(process, whole=letter.whole)
        else:
            known = self._known.setdefault(process, Neighbour(now))
            known.heard_at = now
            return self._apply(process, known, letter)
        return set()

    def _answer(self, process: bytes, *, whole: bool) -> None:
        self.say()
        if self._version:
            topics = _packed(self._mine) if whole else b""
            self._tell(process, Interests(WHOLE if whole else self._version, self._version, topics))

    def _apply(self, process: bytes, known: Neighbour, letter: Interests) -> set[Topic]:
        added, removed = set(_unpacked(letter.added)), set(_unpacked(letter.removed))
        if letter.base == WHOLE:
            removed, added = known.topics - added, added - known.topics
        elif known.version is None or letter.base != known.version:
            self._doubt(process, known)
            # What it says now is true whatever was lost before.
            return added
        if len(known.topics) + len(added) > MAX_TOPICS:
            self._doubt(process, known, ask=False)
            return added
        known.version = letter.version
        self._set_unsure()
        known.topics |= added
        known.topics -= removed
        for topic in added:
            self._listeners[topic] = (*(name for name in self._listeners.get(topic, ()) if name != process), process)
        self._drop(process, removed)
        return added

    def _doubt(self, process: bytes, known: Neighbour, *, ask: bool = True) -> None:
        """Its list is not certain: tell it everything, and ask once a beat."""
        known.version = None
        self._drop(process, known.topics)
        known.topics = set()
        self._set_unsure()
        if ask and not known.asked:
            known.asked = True
            self._tell(process, Ask(whole=True))

    def _forget(self, process: bytes) -> None:
        known = self._known.pop(process, None)
        if known is not None:
            self._drop(process, known.topics)
            self._set_unsure()

    def _drop(self, process: bytes, topics: Iterable[Topic]) -> None:
        for topic in topics:
            left = tuple(name for name in self._listeners.get(topic, ()) if name != process)
            if left:
                self._listeners[topic] = left
            else:
                self._listeners.pop(topic, None)

    def _set_unsure(self) -> None:
        self._unsure = tuple(name for name, known in self._known.items() if known.version is None)


def _packed(topics: Iterable[Topic]) -> bytes:
    return b"".join([topic.to_bytes(16, "big") for topic in topics])


def _unpacked(topics: bytes) -> Iterator[Topic]:
    return (int.from_bytes(topics[start : start + 16], "big") for start in range(0, len(topics), 16))
