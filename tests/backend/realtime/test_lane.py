"""A lane hands on every event once and in order, however they arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.realtime import Lane


class Listener:
    """A socket that only remembers."""

    def __init__(self, cursor: int = 0) -> None:
        self.cursor = cursor
        self.heard: list[int] = []

    def offer(self, seq: int, frame: bytes) -> None:
        assert frame == str(seq).encode()
        self.cursor = seq
        self.heard.append(seq)

    def whisper(self, frame: bytes) -> None:
        raise AssertionError("nothing was whispered")


@given(st.permutations(range(1, 13)), st.lists(st.integers(1, 12), max_size=20))
def test_any_order_with_any_repeats_is_delivered_once_and_in_order(order: list[int], repeats: list[int]) -> None:
    gaps: list[None] = []
    lane, listener = Lane(0, lambda: gaps.append(None)), Listener()
    lane.subscribers.add(listener)
    for seq in [*order, *repeats]:
        lane.take(seq, str(seq).encode())
    assert listener.heard == list(range(1, 13))
    assert not lane.has_gap
    assert bool(gaps) == (order != sorted(order))


@given(st.sets(st.integers(1, 30), min_size=1))
def test_what_is_missing_stops_what_comes_after_it(present: set[int]) -> None:
    lane, listener = Lane(0, lambda: None), Listener()
    lane.subscribers.add(listener)
    for seq in sorted(present, reverse=True):
        lane.take(seq, str(seq).encode())
    first_missing = next(seq for seq in range(1, 32) if seq not in present)
    assert listener.heard == list(range(1, first_missing))


def test_a_listener_that_has_more_already_is_not_told_again() -> None:
    lane, listener = Lane(3, lambda: None), Listener(cursor=5)
    lane.subscribers.add(listener)
    for seq in (4, 5, 6):
        lane.take(seq, str(seq).encode())
    assert listener.heard == [6]
