"""What waits for a slow client is bounded; what it must have is never dropped silently."""

from __future__ import annotations

import asyncio

import pytest

from backend.api.sockets import outlet as outlets
from backend.api.sockets.closing import Close
from backend.api.sockets.outlet import Outlet


def outlet(max_bytes: int = 1000, max_frames: int = 5) -> Outlet:
    made = Outlet(max_bytes, max_frames)
    made.go_live(0)
    return made


def test_too_many_waiting_frames_close_the_socket() -> None:
    slow = outlet()
    for seq in range(1, 7):
        slow.offer(seq, b"x")
    assert slow.closing is Close.SLOW_CONSUMER


def test_too_many_waiting_bytes_close_the_socket() -> None:
    slow = outlet()
    slow.offer(1, b"x" * 1001)
    assert slow.closing is Close.SLOW_CONSUMER


def test_whispers_are_dropped_long_before_that() -> None:
    slow = outlet()
    slow.offer(1, b"x" * 600)
    for _ in range(100):
        slow.whisper(b"typing")
    assert slow.closing is None


def test_a_hole_in_the_numbers_closes_the_socket_rather_than_hide_it() -> None:
    broken = outlet()
    broken.offer(2, b"x")
    assert broken.closing is Close.RESUME


async def test_frames_that_came_while_joining_follow_the_snapshot_once() -> None:
    joining = Outlet(1000, 5)
    for seq in (1, 2, 3):
        joining.offer(seq, str(seq).encode())
    joining.put(b"snapshot up to 2")
    joining.go_live(2)
    sent: list[str] = []

    async def send(frame: str) -> None:
        sent.append(frame)

    pump = asyncio.create_task(joining.pump(send))
    await asyncio.sleep(0)
    joining.offer(4, b"4")
    await asyncio.sleep(0.01)
    joining.close(Close.RESTART)
    assert await pump is Close.RESTART
    assert sent == ["snapshot up to 2", "3", "4"]


async def test_a_client_that_takes_no_frame_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "SEND_TIMEOUT_S", 0.05)
    stuck = outlet()

    async def send(_: str) -> None:
        await asyncio.Event().wait()

    stuck.put(b"frame")
    assert await asyncio.wait_for(stuck.pump(send), 2) is Close.SLOW_CONSUMER


async def test_a_client_that_is_only_silent_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "SEND_TIMEOUT_S", 0.05)
    quiet, sent = outlet(), list[str]()

    async def send(frame: str) -> None:
        sent.append(frame)

    pump = asyncio.create_task(quiet.pump(send))
    quiet.put(b"one")
    await asyncio.sleep(0.15)
    quiet.put(b"two")
    await asyncio.sleep(0.01)
    quiet.close(Close.RESTART)
    assert await pump is Close.RESTART
    assert sent == ["one", "two"]
