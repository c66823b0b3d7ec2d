"""The heartbeat of a line, with the time turned by hand: who is silent is asked, who stays silent is gone in time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api.sockets.exchange import Exchange
from backend.api.sockets.line import Line
from backend.api.sockets.wheel import TICK_S
from tests.factories.handset import CLOSE, PONG, packed

PING_FRAME = b"\x89\x00"
TICKS_10_S = int(10 / TICK_S)
#: More than a line reads at once.
PAD = "x" * 5_000


class Wire:
    """A transport that keeps what it was given. `held`: bytes that the other side has not taken."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.held = 0
        self.reading = True
        self.aborted = self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.held

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...


class Listener:
    """Who answers: keeps what it hears."""

    def __init__(self) -> None:
        self.full = False
        self.heard: list[str | bytes] = []
        self.told: list[str] = []

    def on_message(self, message: str | bytes) -> None:
        self.heard.append(message)

    def on_room(self) -> None:
        self.told.append("room")

    def on_unsaid(self) -> None:
        self.told.append("unsaid")

    def on_stuck(self) -> None:
        self.told.append("stuck")

    def on_gone(self) -> None:
        self.told.append("gone")

    def retire(self) -> None:
        self.told.append("retire")


def opened(exchange: Exchange | None = None) -> tuple[Line, Wire, Listener, Exchange]:
    """A line that has said its first word."""
    exchange, wire, listener = exchange or Exchange(65_536), Wire(), Listener()
    line = Line(exchange, set(), set())
    line.begin(listener, cast("Any", wire), b"")
    line.settle()
    return line, wire, listener, exchange


@given(spoke_at=st.lists(st.floats(0, 60), max_size=20))
async def test_silence_is_noticed_within_ten_seconds_and_never_before_nine(spoke_at: list[float]) -> None:
    line, wire, listener, exchange = opened()
    speaks = sorted(spoke_at)
    last = 0.0
    for tick in range(1, 400):
        before = (tick - 1) * TICK_S
        while speaks and speaks[0] < tick * TICK_S and not wire.aborted:
            last = max(before, speaks.pop(0))
            line.data_received(packed(b"", PONG))
        exchange.wheel.turn()
        if wire.aborted:
            break
    silent_s = exchange.wheel.now - last
    assert 9.0 <= silent_s <= 10.0
    assert listener.told == ["gone"]
    assert wire.written[-1] == PING_FRAME, "they were asked first"


async def test_who_answers_pings_stays_and_is_asked_seldom() -> None:
    line, wire, listener, exchange = opened()
    for _ in range(int(120 / TICK_S)):
        exchange.wheel.turn()
        if wire.written and wire.written[-1] == PING_FRAME:
            wire.written.append(b"answered")
            line.data_received(packed(b"", PONG))
    assert listener.told == []
    assert 120 / 6.5 <= wire.written.count(PING_FRAME) <= 120 / 5 + 1


async def test_who_still_takes_what_it_was_sent_is_alive_however_late_the_answer() -> None:
    line, wire, listener, exchange = opened()
    wire.held = 1_000_000
    for _ in range(8 * TICKS_10_S):
        wire.held -= 2_000
        exchange.wheel.turn()
    assert listener.told == []
    for _ in range(TICKS_10_S):
        exchange.wheel.turn()
    assert wire.aborted, "and gone when it takes no more"
    assert line.choked is False


async def test_who_speaks_and_takes_nothing_for_fifteen_seconds_is_stuck() -> None:
    line, wire, listener, exchange = opened()
    wire.held = 50_000
    line.pause_writing()
    for tick in range(int(16 / TICK_S)):
        line.data_received(packed("x"))
        exchange.wheel.turn()
        if tick < 14 / TICK_S:
            assert listener.told == []
    assert listener.told[0] == "stuck"


async def test_a_process_that_was_frozen_drops_nobody_for_it() -> None:
    line, wire, listener, exchange = opened()
    loop = asyncio.get_running_loop()
    real = loop.time
    try:
        loop.time = lambda: real() + 3600  # type: ignore[method-assign]
        await asyncio.sleep(0.3)
        assert exchange.wheel.now <= 1.0
    finally:
        loop.time = real  # type: ignore[method-assign]
    assert (listener.told, wire.aborted, line.choked) == ([], False, False)


async def test_who_is_not_read_is_not_silent() -> None:
    line, wire, listener, exchange = opened()
    listener.full = True
    line.data_received(packed("x"))
    assert not wire.reading
    for _ in range(3 * TICKS_10_S):
        exchange.wheel.turn()
    assert listener.told == []
    listener.full = False
    line.go_on()
    await asyncio.sleep(0)
    assert wire.reading


async def test_a_piece_that_is_large_is_read_in_turns_and_in_order() -> None:
    line, wire, listener, _ = opened()
    line.data_received(b"".join(packed(str(number)) for number in range(5_000)))
    assert len(listener.heard) < 2_000
    assert not wire.reading
    for _ in range(50):
        await asyncio.sleep(0)
    assert listener.heard == [str(number) for number in range(5_000)]
    assert wire.reading


async def test_pings_of_one_who_reads_no_answer_are_not_answered() -> None:
    line, wire, _, _ = opened()
    line.pause_writing()
    for _ in range(1_000):
        line.data_received(packed(b"x" * 125, 0x9))
    assert wire.written == []


@given(
    pieces=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 90)), max_size=60),
    sizes=st.lists(st.integers(0, 300), max_size=6),
)
async def test_frames_are_the_same_however_the_bytes_of_several_lines_are_cut_and_mixed(
    pieces: list[tuple[int, int]], sizes: list[int]
) -> None:
    exchange = Exchange(65_536)
    opened_ = [opened(exchange) for _ in range(3)]
    raw = [b"".join(packed(str(number) * size) for size in sizes) for number in range(3)]
    for number, cut in [*pieces, *((number, 10_000) for number in range(3))]:
        piece, raw[number] = raw[number][:cut], raw[number][cut:]
        if piece:
            opened_[number][0].data_received(piece)
    for number, (line, _, listener, _) in enumerate(opened_):
        assert listener.heard == [str(number) * size for size in sizes]
        assert line.at_rest


@given(
    payload=st.binary(max_size=150) | st.text(max_size=60).map(str.encode) | st.just(b"x" * 126),
    opcode=st.sampled_from([0, 1, 1, 1, 2, 8, 9, 11]),
    shape=st.sampled_from([(True, 0, True)] * 3 + [(False, 0, True), (True, 4, True), (True, 0, False)]),
    cut=st.integers(1, 8),
)
async def test_a_frame_means_the_same_in_one_piece_and_in_two(
    payload: bytes, opcode: int, shape: tuple[bool, int, bool], cut: int
) -> None:
    fin, rsv, masked = shape
    raw = packed(payload, opcode, fin=fin, rsv=rsv, masked=masked)
    ends: list[object] = []
    for pieces in ([raw], [raw[:cut], raw[cut:]]):
        line, wire, listener, _ = opened(Exchange(140))
        for piece in filter(None, pieces):
            line.data_received(piece)
        for _ in range(3):
            await asyncio.sleep(0)
        ends.append((listener.heard, listener.told, b"".join(wire.written), wire.closed, line.at_rest))
    assert ends[0] == ends[1]


@given(noise=st.binary(max_size=60))
async def test_no_bytes_of_one_line_spoil_another(noise: bytes) -> None:
    exchange = Exchange(65_536)
    loud, _, _, _ = opened(exchange)
    line, _, listener, _ = opened(exchange)
    loud.data_received(noise)
    line.data_received(packed("still read"))
    assert listener.heard == ["still read"]
    assert listener.told == []


@pytest.mark.parametrize("end", [packed(b"\x03\xe8", CLOSE), packed(b"", 0xB)], ids=["close", "broken"])
async def test_what_we_refuse_in_the_same_piece_as_their_end_ends_quietly(end: bytes) -> None:
    # The parser reads the whole piece before we see its first frame: it has answered their end already.
    exchange, wire, listener = Exchange(65_536), Wire(), Listener()
    line = Line(exchange, set(), set())
    line.begin(listener, cast("Any", wire), packed(b"\xff") + end)
    assert listener.told == ["gone"]
    assert wire.closed


async def test_who_is_closed_while_their_own_end_is_being_read_is_closed_once() -> None:
    line, wire, listener, exchange = opened()
    listener.on_message = lambda _: line.close(4400)  # type: ignore[method-assign]
    line.data_received(packed(PAD) + packed(b"\x03\xe8", CLOSE))
    for _ in range(20):
        await asyncio.sleep(0)
    for _ in range(TICKS_10_S):
        exchange.wheel.turn()
    assert listener.told == ["gone"]
    assert wire.closed or wire.aborted


async def test_a_fault_in_the_answer_ends_that_line_and_no_other() -> None:
    line, wire, listener, exchange = opened()
    other, _, patient, _ = opened(exchange)

    def fail(_: str | bytes) -> None:
        raise LookupError("a fault of ours")

    listener.on_message = fail  # type: ignore[method-assign]
    line.data_received(packed(PAD))
    for _ in range(20):
        await asyncio.sleep(0)
    other.data_received(packed("still read"))
    assert patient.heard == ["still read"]
    assert wire.aborted
    assert listener.told == ["gone"]
