"""What waits for a slow client is bounded; what it must have is never dropped silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import CLIENT, Protocol

from backend.api.sockets.closing import Close
from backend.api.sockets.framing import text_frame
from backend.api.sockets.outlet import Outlet
from tests.fakes.pipe import Pipe


def outlet(pipe: Pipe, max_bytes: int = 1000, max_frames: int = 5) -> Outlet:
    made = Outlet(pipe, max_bytes, max_frames)
    made.go_live(0)
    return made


def test_a_frame_goes_straight_out_while_there_is_room() -> None:
    pipe = Pipe()
    quick = outlet(pipe)
    for seq in range(1, 100):
        quick.offer(seq, b"x" * 100)
    assert (len(pipe.frames), quick.closing) == (99, None)


def test_too_many_waiting_frames_close_the_socket_and_are_let_go() -> None:
    pipe = Pipe(choked=True)
    slow = outlet(pipe)
    for seq in range(1, 7):
        slow.offer(seq, b"x")
    assert (slow.closing, pipe.closed_with, pipe.frames) == (Close.SLOW_CONSUMER, 4413, [])


def test_too_many_waiting_bytes_close_the_socket() -> None:
    pipe = Pipe(choked=True)
    slow = outlet(pipe)
    slow.offer(1, b"x" * 1001)
    assert slow.closing is Close.SLOW_CONSUMER


def test_what_waited_goes_out_in_order_when_there_is_room_again() -> None:
    pipe = Pipe(choked=True)
    slow = outlet(pipe)
    for seq in (1, 2, 3):
        slow.offer(seq, str(seq).encode())
    pipe.choked = False
    slow.offer(4, b"4")
    assert pipe.frames == [], "nobody overtakes what waits"
    slow.flush()
    slow.offer(5, b"5")
    assert pipe.frames == ["1", "2", "3", "4", "5"]


def test_whispers_are_dropped_long_before_that() -> None:
    slow = outlet(Pipe(choked=True))
    slow.offer(1, b"x" * 600)
    for _ in range(100):
        slow.whisper(b"typing")
    assert slow.closing is None


def test_a_hole_in_the_numbers_closes_the_socket_rather_than_hide_it() -> None:
    broken = outlet(Pipe())
    broken.offer(2, b"x")
    assert broken.closing is Close.RESUME


def test_frames_that_came_while_joining_follow_the_snapshot_once() -> None:
    pipe = Pipe()
    joining = Outlet(pipe, 1000, 5)
    for seq in (1, 2, 3):
        joining.offer(seq, str(seq).encode())
    joining.begin(b"joined", b"snapshot up to 2")
    joining.go_live(2)
    joining.offer(4, b"4")
    assert pipe.frames == ["joined", "snapshot up to 2", "3", "4"]


def test_who_comes_online_while_a_client_joins_is_told_of_afterwards() -> None:
    pipe = Pipe()
    joining = Outlet(pipe, 1000, 5)
    joining.whisper(b"online")
    joining.offer(3, b"3")
    joining.begin(b"joined")
    joining.go_live(2)
    assert pipe.frames == ["joined", "online", "3"]
    crowded = Outlet(pipe, 1000, 5)
    lost = [crowded.whisper(b"typing") for _ in range(20)]
    assert False in lost
    assert crowded.closing is None


def test_a_receipt_that_was_overtaken_while_a_client_joined_is_not_told_after_the_later_one() -> None:
    pipe = Pipe()
    joining = Outlet(pipe, 1000, 5)
    joining.whisper(b"read 7", ("read customer", 7))
    joining.whisper(b"stored 7", ("delivered customer", 7))
    joining.begin(b"joined", b"read 8", told=[("read customer", 8)])
    joining.go_live(0)
    for seq in (8, 9, 10):
        assert joining.whisper(b"read %d" % seq, ("read customer", seq)) is not False
    assert pipe.frames == ["joined", "read 8", "stored 7", "read 9", "read 10"]


def test_more_than_may_be_held_while_joining_is_a_fresh_resume() -> None:
    pipe = Pipe()
    joining = Outlet(pipe, 1000, 5)
    for seq in range(1, 7):
        joining.offer(seq, b"x")
    assert (joining.closing, pipe.closed_with) == (Close.RESUME, 4410)
    joining.begin(b"joined")
    joining.go_live(6)
    assert pipe.frames == []


def test_a_snapshot_is_beside_the_bound() -> None:
    pipe = Pipe(choked=True)
    joining = Outlet(pipe, 1000, 5)
    joining.begin(*[b"x" * 1000] * 20)
    joining.go_live(20)
    assert (len(pipe.frames), joining.closing) == (20, None)


@pytest.mark.parametrize(("code", "told"), [(Close.RESTART, ["1"]), (Close.SLOW_CONSUMER, [])])
def test_what_waits_at_the_end_is_told_unless_the_client_resumes_anyway(code: Close, told: list[str]) -> None:
    pipe = Pipe(choked=True)
    ending = outlet(pipe)
    ending.put(b"1")
    ending.close(code)
    ending.put(b"2")
    assert (pipe.frames, pipe.closed_with) == (told, code)


@given(st.integers(0, 200_000))
def test_a_frame_is_read_by_the_other_side_as_it_was_meant(size: int) -> None:
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(text_frame(b"x" * size))
    (frame,) = client.events_received()
    assert bytes(frame.data) == b"x" * size  # pyright: ignore
