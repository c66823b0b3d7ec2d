"""What the judge remembers of earlier messages: times, roles, marks and fingerprints, in this process, never a text.

Everything is bounded and lost with the process: signals that look back start anew then, and no message waits for them.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict, deque
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from backend.policies.shadowing import Difference
from moderation import Context, Mark, Policy, Recent, Turn, Verdict, fingerprint, marks_of

#: Earlier messages of one sender in one trip that the flood signal looks at, and how many senders are remembered.
RECENT, REMEMBERED = 32, 30_000
#: Messages of a pair, over all its trips, and how many pairs are remembered.
TURNS, PAIRS = 16, 20_000
#: Longer texts of one sender, over all trips, and how many senders are remembered.
TEXTS, AUTHORS = 16, 20_000
#: Messages that are judged and not stored yet.
UNSTORED = 8_000

#: People and trips by the number of their UUID: Python hashes and compares those itself, ten times a message.
Pair = tuple[int, int]

K = TypeVar("K")
V = TypeVar("V")


class Place(Protocol):
    """The trip of a message, as far as the judge has to know it."""

    @property
    def trip_id(self) -> UUID: ...
    @property
    def market(self) -> str: ...
    @property
    def driver_id(self) -> UUID: ...
    @property
    def customer_id(self) -> UUID: ...


class _Said(NamedTuple):
    at: float
    role: Any
    trip_id: UUID
    marks: tuple[Mark, ...]


class _Text(NamedTuple):
    at: float
    trip_id: UUID
    mac: bytes


class Judging(NamedTuple):
    """A message that is judged now: what is remembered of it once it is stored."""

    place: Place
    sender_id: UUID
    context: Context
    fingerprint: bytes
    #: Keyed fingerprint, None for a text that is too short to say anything.
    mac: bytes | None


class _Unstored(NamedTuple):
    judging: Judging
    marks: tuple[Mark, ...]
    difference: Difference | None


class Memory:
    """Remembers what was sent. `context` before the verdict, `judged` after it, `sent` once the message is stored."""

    def __init__(self) -> None:
        # Fingerprints of one process mean nothing to whoever reads another one's memory.
        self._key = os.urandom(32)
        self._recent: OrderedDict[Pair, deque[Recent]] = OrderedDict()
        self._talks: OrderedDict[Pair, deque[_Said]] = OrderedDict()
        self._texts: OrderedDict[int, deque[_Text]] = OrderedDict()
        self._unstored: OrderedDict[tuple[int, int, float], _Unstored] = OrderedDict()

    def judging(
        self, text: str, place: Place, sender_id: UUID, role: Any, now: float, template: bool, letters: int
    ) -> Judging:
        """A message with what came before it. Texts of fewer than `letters` letters are the same everywhere."""
        print_ = fingerprint(text)
        long = not template and len(text) - text.count(" ") >= letters
        mac = hashlib.blake2b(print_, digest_size=8, key=self._key).digest() if long else None
        context = Context(
            market=place.market,
            sender_role=role,
            template=template,
            now=now,
            recent=tuple(self._recent.get((place.trip_id.int, sender_id.int), ())),
            conversation=self._conversation(place),
            same_text_at=self._same_text(place.trip_id, sender_id, mac),
            fingerprint=print_,
        )
        return Judging(place, sender_id, context, print_, mac)

    def _conversation(self, place: Place) -> tuple[Turn, ...]:
        talk = self._talks.get((place.driver_id.int, place.customer_id.int))
        # Without a mark there is nothing that a signal could go by.
        if talk is None or not any(said.marks for said in talk):
            return ()
        return tuple(Turn(said.at, said.role, said.trip_id == place.trip_id, said.marks) for said in talk)

    def _same_text(self, trip_id: UUID, sender_id: UUID, mac: bytes | None) -> tuple[float, ...]:
        texts = self._texts.get(sender_id.int) if mac is not None else None
        if texts is None:
            return ()
        return tuple({text.trip_id: text.at for text in texts if text.mac == mac and text.trip_id != trip_id}.values())

    def judged(self, judging: Judging, marks: tuple[Mark, ...], difference: Difference | None = None) -> None:
        """Keep what is known until the message is stored; one that is refused or a repeat is forgotten in the end."""
        key = judging.place.trip_id.int, judging.sender_id.int, judging.context.now
        self._unstored[key] = _Unstored(judging, marks, difference)
        if len(self._unstored) > UNSTORED:
            self._unstored.popitem(last=False)

    def sent(self, trip_id: UUID, sender_id: UUID, text: str, now: float) -> Difference | None:
        """The message is stored: remember it for the next ones. Returns what a shadow said of it."""
        sender = trip_id.int, sender_id.int
        known = self._unstored.pop((*sender, now), None)
        if known is None:
            _push(self._recent, sender, Recent(now, fingerprint(text)), RECENT, REMEMBERED)
            return None
        judging = known.judging
        place, role = judging.place, judging.context.sender_role
        _push(self._recent, sender, Recent(now, judging.fingerprint), RECENT, REMEMBERED)
        pair = place.driver_id.int, place.customer_id.int
        _push(self._talks, pair, _Said(now, role, trip_id, known.marks), TURNS, PAIRS)
        if judging.mac is not None:
            _push(self._texts, sender_id.int, _Text(now, trip_id, judging.mac), TEXTS, AUTHORS)
        return known.difference


def marks_left(verdict: Verdict, policy: Policy, *, template: bool) -> tuple[Mark, ...]:
    """What the next messages have to know of this one. Nobody can answer, or heed, what they have not seen."""
    if template:
        return ()
    marks = marks_of(verdict.signals, verdict.labels, policy.document.conversation)
    if verdict.outcome in ("allow", "mask"):
        return marks
    return tuple(mark for mark in marks if mark == "insult")


def _push(kept: OrderedDict[K, deque[V]], key: K, value: V, each: int, most: int) -> None:
    """Append to the queue of `key`, the newest of all; the key that was silent longest goes when there are too many."""
    queue = kept.get(key)
    if queue is None:
        queue = kept[key] = deque(maxlen=each)
    queue.append(value)
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
