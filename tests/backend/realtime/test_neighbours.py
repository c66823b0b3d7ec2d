"""Whoever listens is told: however letters are lost between processes, one beat later nobody is left out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.realtime.letters import Letter
from backend.realtime.neighbours import FORGET_S, Neighbours

NAMES = (b"one", b"two", b"three")
TOPICS = st.integers(0, 7)


class Town:
    """Three processes and a postman who may lose letters."""

    def __init__(self) -> None:
        self.now = 0.0
        self.loses = False
        self.posted: list[tuple[bytes, bytes | None, Letter]] = []
        self.houses = {name: Neighbours(self._letterbox(name)) for name in NAMES}
        self.truth: dict[bytes, set[int]] = {name: set() for name in NAMES}

    def _letterbox(self, writer: bytes) -> object:
        def tell(reader: bytes | None, letter: Letter) -> None:
            if not self.loses:
                self.posted.append((writer, reader, letter))

        return tell

    def deliver(self) -> None:
        """Bring what is posted, and what is answered to it."""
        while self.posted:
            writer, reader, letter = self.posted.pop(0)
            for name, house in self.houses.items():
                if name != writer and reader in (None, name):
                    house.hear(writer, letter, self.now)  # pyright: ignore[reportArgumentType]

    def beat(self) -> None:
        """Two seconds pass."""
        self.now += 2.0
        for house in self.houses.values():
            house.beat(self.now)
        self.deliver()

    def want(self, name: bytes, topic: int) -> None:
        """A process begins to listen."""
        self.truth[name].add(topic)
        if self.houses[name].want(topic):
            self.houses[name].say()
        self.deliver()

    def leave(self, name: bytes, topic: int) -> None:
        """A process listens no more."""
        self.truth[name].discard(topic)
        self.houses[name].leave(topic)

    def left_out(self) -> list[tuple[bytes, bytes, int]]:
        """(who announces, who listens and would not be told, topic)."""
        return [
            (teller, listener, topic)
            for teller, house in self.houses.items()
            for listener, topics in self.truth.items()
            for topic in topics
            if listener != teller and listener not in house.listeners(topic)
        ]

    def superfluous(self) -> list[tuple[bytes, bytes, int]]:
        """(who announces, who would be told without listening, topic)."""
        return [
            (teller, told, topic)
            for teller, house in self.houses.items()
            for topic in range(8)
            for told in house.listeners(topic)
            if topic not in self.truth[told]
        ]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from(NAMES), TOPICS),
        st.tuples(st.just("leave"), st.sampled_from(NAMES), TOPICS),
        st.tuples(st.sampled_from(["beat", "lose", "keep", "freeze", "subscribed"]), st.sampled_from(NAMES), TOPICS),
    ),
    max_size=40,
)


def play(town: Town, steps: list[tuple[str, bytes, int]]) -> None:
    """Live through `steps`."""
    for what, name, topic in steps:
        if what == "want":
            town.want(name, topic)
        elif what == "leave":
            town.leave(name, topic)
        elif what == "beat":
            town.beat()
        elif what == "freeze":
            town.now += FORGET_S + 1
        elif what == "subscribed":
            town.houses[name].subscribed()
            town.deliver()
        else:
            town.loses = what == "lose"


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_after_one_whole_beat_nobody_is_left_out_and_nobody_rung_in_vain(steps: list[tuple[str, bytes, int]]) -> None:
    town = Town()
    play(town, steps)
    town.loses = False
    town.beat()
    assert town.left_out() == []
    town.beat()
    assert town.superfluous() == []
    assert town.left_out() == []


@given(STEPS.filter(lambda steps: all(what not in ("lose", "freeze") for what, _, _ in steps)))
@settings(max_examples=200, deadline=None)
def test_while_no_letter_is_lost_nobody_is_ever_left_out(steps: list[tuple[str, bytes, int]]) -> None:
    town = Town()
    for step in steps:
        play(town, [step])
        assert town.left_out() == []


def test_who_is_alone_has_nobody_to_tell() -> None:
    town = Town()
    town.want(b"one", 1)
    assert town.houses[b"one"].listeners(1) == ()
    assert town.houses[b"two"].listeners(1) == (b"one",)
    assert town.houses[b"two"].listeners(2) == ()


def test_who_never_listened_says_nothing() -> None:
    town = Town()
    for house in town.houses.values():
        house.beat(2.0)
        house.bye()
    assert town.posted == []


def test_who_says_goodbye_or_is_silent_for_long_is_forgotten() -> None:
    town = Town()
    town.want(b"one", 1)
    town.want(b"two", 1)
    town.houses[b"one"].bye()
    town.deliver()
    assert town.houses[b"three"].listeners(1) == (b"two",)
    town.houses[b"three"].beat(FORGET_S + 1)
    assert town.houses[b"three"].count == 0


def test_who_was_frozen_forgets_nobody_for_it() -> None:
    town = Town()
    town.want(b"one", 1)
    town.now += 10 * FORGET_S
    town.houses[b"two"].thawed(town.now)
    town.houses[b"two"].beat(town.now)
    assert town.houses[b"two"].listeners(1) == (b"one",)


def test_whose_list_is_not_known_is_told_everything_and_asked_once_a_beat() -> None:
    town = Town()
    town.want(b"one", 1)
    town.loses = True
    town.want(b"one", 2)
    town.loses = False
    town.truth[b"one"].add(3)
    assert town.houses[b"one"].want(3)
    town.houses[b"one"].say()
    (lost_one_before,) = town.posted
    town.houses[b"two"].hear(b"one", lost_one_before[2], 0.0)  # pyright: ignore[reportArgumentType]
    assert town.houses[b"two"].listeners(7) == (b"one",)
    town.deliver()
    assert town.houses[b"two"].listeners(7) == ()
    assert all(town.houses[b"two"].listeners(topic) == (b"one",) for topic in (1, 2, 3))
