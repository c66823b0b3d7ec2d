"""A lane hands on every event once and in order, however they arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.realtime import Lane, Numbered


class Listener:
    """A socket that only remembers."""

    def __init__(self, cursor: int = 0) -> None:
        self.cursor = cursor
        self.heard: list[int] = []

    def offer(self, seq: int, frame: bytes) -> None:
        assert frame == str(seq).encode()
        self.cursor = seq
        self.heard.append(seq)

    def whisper(self, frame: bytes, mark: object = None) -> None:
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


def test_what_waits_for_an_earlier_frame_is_bounded_and_the_gap_stays_known() -> None:
    lane, listener = Lane(0, lambda: None), Listener()
    lane.subscribers.add(listener)
    for seq in range(2, 500):
        lane.take(seq, str(seq).encode())
    lane.take(1, b"1")
    assert listener.heard == list(range(1, 66))
    assert lane.has_gap, "what was not kept is still missed"
    lane.take_rows([Numbered(seq, str(seq).encode()) for seq in range(1, 500)])
    assert listener.heard == list(range(1, 500))
    assert not lane.has_gap


def test_rows_that_do_not_follow_are_offered_as_they_are_and_nothing_waits_for_ever() -> None:
    lane, listener = Lane(3, lambda: None), Listener(cursor=3)
    lane.subscribers.add(listener)
    lane.take_rows([Numbered(7, b"7"), Numbered(8, b"8")])
    assert (listener.heard[0], lane.last) == (7, 8)


def test_numbers_that_went_back_reach_every_socket_as_one_that_does_not_follow() -> None:
    class Strict(Listener):
        def offer(self, seq: int, frame: bytes) -> None:
            self.heard.append(seq - self.cursor)

    lane, listener = Lane(9, lambda: None), Strict(cursor=9)
    lane.subscribers.add(listener)
    lane.take(12, b"12")
    lane.break_off(4)
    assert listener.heard[0] > 1
    assert (lane.last, lane.has_gap) == (4, False)


class Deaf(Listener):
    """A socket that cannot take what may be lost, until it can."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True
        self.took: list[bytes] = []

    def whisper(self, frame: bytes, mark: object = None) -> bool | None:
        if self.full:
            return False
        self.took.append(frame)
        return None


def test_receipts_never_go_back() -> None:
    lane, socket = Lane(0, lambda: None), Deaf()
    socket.full = False
    lane.subscribers.add(socket)
    for kind, seq in (
        ("read driver", 3),
        ("read driver", 2),
        ("read driver", 3),
        ("read customer", 1),
        ("read driver", 4),
    ):
        lane.whisper(f"{kind} {seq}".encode(), (kind, seq))
    assert socket.took == [b"read driver 3", b"read customer 1", b"read driver 4"]


def test_the_newest_receipt_that_a_socket_could_not_take_is_told_again_until_it_can() -> None:
    lane, socket = Lane(0, lambda: None), Deaf()
    lane.subscribers.add(socket)
    lane.whisper(b"typing")
    for seq in (1, 2, 3):
        lane.whisper(b"read %d" % seq, ("read driver", seq))
    lane.repeat_marks()
    socket.full = False
    lane.repeat_marks()
    lane.repeat_marks()
    assert socket.took == [b"read 3"]
