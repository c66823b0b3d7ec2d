"""One open WebSocket connection: bytes in, frames out, a heartbeat, and an end. Knows nothing of the chat.

It takes the transport over from uvicorn once the handshake is done. A silent one holds this object and no more: no
task, no queue, no timer, no parser.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Coroutine
from typing import Any, cast

import structlog
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.protocol import Protocol as Parser

from backend.api.sockets.exchange import Exchange, Talk
from backend.api.sockets.framing import PING, PONG_HEAD, PONG_SIZE, whole_text
from backend.api.sockets.kernel import bound_kept, untaken
from backend.api.sockets.wheel import TICK_S

log = structlog.get_logger()

#: The first frame has to be whole within this time.
FIRST_WITHIN_S = 3.0
#: After this silence a client is asked whether it is there; after that it is gone. A dead phone is noticed within 10 s.
PING_AFTER_S, GONE_AFTER_S = 6.0, 9.5
#: A client that reads nothing of what waits for it for this long is given up.
STUCK_S = 15.0
#: What we said at the end has to be read, and answered, within this time.
CLOSE_WITHIN_S = 2.0
#: Bytes that the transport may hold before frames wait in the outlet.
HIGH_WATER = 32 * 1024
#: Frames of one turn that leave in one write.
OUT_FRAMES = 32
#: Bytes read of one client before the others have their turn.
PIECE = 4096
#: Sockets of a process that stops are closed at this rate, all within this time: so they do not come back all at once.
ROLL_PER_S, ROLL_S = 1_000.0, 1.5


class Phase(enum.Enum):
    """New until the first message; then live; closing once a close frame went either way; gone with the connection."""

    NEW = enum.auto()
    LIVE = enum.auto()
    CLOSING = enum.auto()
    GONE = enum.auto()


class Line(asyncio.Protocol):
    """uvicorn's protocol for a connection that was handed over, and the `Drain` of its outlet."""

    __slots__ = (
        "_asked_at", "_backlog", "_connections", "_exchange", "_message", "_out", "_parser", "_paused", "_phase",
        "_soon", "_stuck", "_talk", "_tasks", "_text", "_transport", "_unread", "_until", "choked", "heard_at",
    )  # fmt: skip

    _talk: Talk

    def __init__(self, exchange: Exchange, connections: set[Any], tasks: set[asyncio.Task[None]]) -> None:
        self._exchange, self._connections, self._tasks = exchange, connections, tasks
        self._transport: asyncio.Transport | None = None
        self._phase = Phase.NEW
        self._parser: Parser | None = None
        self._message: bytearray | None = None
        self._text = True
        self._unread = b""
        self._paused = self._soon = self.choked = False
        self._out: list[bytes] | None = None
        self._stuck: tuple[int, float] | None = None
        self.heard_at = self._asked_at = self._until = exchange.wheel.now
        self._backlog = 0

    def begin(self, talk: Talk, transport: asyncio.Transport, hasty: bytes) -> None:
        """Take the connection over, right after its handshake; `hasty`: what was read of it already."""
        self._talk = talk
        if transport.is_closing():
            self._gone()
            return
        self._transport, self._unread = transport, hasty
        self._connections.add(self)
        transport.set_write_buffer_limits(high=HIGH_WATER)
        bound_kept(transport)
        transport.set_protocol(self)
        self._until = self._exchange.wheel.now + FIRST_WITHIN_S
        self._exchange.wheel.add(self, FIRST_WITHIN_S)
        self._paused = True
        self._read_on()

    def settle(self) -> None:
        """The first message has come: from here on only silence counts."""
        if self._phase is Phase.NEW:
            self._phase = Phase.LIVE

    @property
    def at_rest(self) -> bool:
        """Whether it holds nothing but itself."""
        return self._parser is None and self._message is None and not self._unread

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that the server waits for when it stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- hearing ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have come; whatever they are, somebody is alive."""
        self.heard_at = self._exchange.wheel.now
        if len(data) == PONG_SIZE and data[:2] == PONG_HEAD and self._parser is None:
            return
        if self._unread or len(data) > PIECE:
            self._unread += data
            self._pause()
            self._read_soon()
        else:
            self._feed(data)
            if self._talk.full:
                self._pause()

    def go_on(self) -> None:
        """The talk is not `full` any more."""
        if self._paused:
            self._read_soon()

    def _read_soon(self) -> None:
        # Never at once: what is asked for from within a message would overtake the rest of its piece.
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        """Read a piece of what has come; the next one only after the other clients had their turn."""
        self._soon = False
        if self._phase is Phase.GONE:
            self._unread = b""
        elif self._phase is not Phase.CLOSING and self._talk.full:
            self._pause()
        elif self._unread:
            piece, self._unread = self._unread[:PIECE], self._unread[PIECE:]
            self._feed(piece)
            self._read_soon()
        elif self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _feed(self, data: bytes) -> None:
        try:
            self._parse(data)
        except Exception as error:
            # What of this piece was not answered yet is lost: only a new connection knows where it stands.
            log.error("socket.line_failed", error=type(error).__name__, exc_info=error)
            self.give_up()

    def _parse(self, data: bytes) -> None:
        if self._parser is None and self._message is None and self._phase in (Phase.NEW, Phase.LIVE):
            whole = whole_text(data, self._exchange.parsers.max_size)
            if whole is not None:
                self._text = True
                self._deliver(whole)
                return
        parser = self._parser = self._parser or self._exchange.parsers.borrow()
        if parser.parser_exc is not None or parser.close_rcvd is not None:
            return
        parser.receive_data(data)
        for frame in parser.events_received():
            self._take(cast("Frame", frame))
        answers = parser.data_to_send()
        # Who sends pings and reads no answer gets none: it would be a queue without a bound.
        if answers and (not self.choked or parser.state is not OPEN):
            self.write(b"".join(answers))
        if parser.parser_exc is not None:
            self._fail()
        elif self._message is None and self._exchange.parsers.take_back(parser):
            self._parser = None

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.CLOSE:
            self._closed_by_them()
        elif self._phase is Phase.CLOSING or opcode is Opcode.PING or opcode is Opcode.PONG:
            return
        elif opcode is Opcode.CONT:
            if self._message is not None:
                self._message += frame.data
                if frame.fin:
                    whole, self._message = bytes(self._message), None
                    self._deliver(whole)
        else:
            self._text = opcode is Opcode.TEXT
            if frame.fin:
                self._deliver(bytes(frame.data))
            else:
                self._message = bytearray(frame.data)

    def _deliver(self, whole: bytes) -> None:
        if not self._text:
            self._talk.on_message(whole)
            return
        try:
            text = whole.decode()
        except UnicodeDecodeError:
            self.close(1007)
            return
        self._talk.on_message(text)

    # -- saying ----------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Bytes to the client. All of one turn of the loop leave in one write: it costs more than our own work does."""
        if self._out is None:
            self._out = [data]
            self._exchange.send_soon(self)
        else:
            self._out.append(data)
            if len(self._out) >= OUT_FRAMES:
                self.send()

    def send(self) -> None:
        """Hand what was written to the transport."""
        out, self._out = self._out, None
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def pause_writing(self) -> None:
        """The transport holds as much as it should."""
        self.choked = True
        self._stuck = (self._untaken(), self._exchange.wheel.now)

    def resume_writing(self) -> None:
        """The transport has room again."""
        self.choked, self._stuck = False, None
        self._talk.on_room()

    # -- the heartbeat ---------------------------------------------------------------------------------------------

    def look(self, now: float) -> float | None:
        """What is due now, from the wheel."""
        if self._phase is Phase.GONE:
            return None
        if self._phase is Phase.CLOSING:
            if now < self._until:
                return self._until - now
            self._abort()
            return None
        if self._phase is Phase.NEW and now >= self._until:
            self._talk.on_unsaid()
            return CLOSE_WITHIN_S
        if self._paused:
            # We do not listen, so their silence says nothing.
            self.heard_at = now
        again_s = self._beat(now)
        return again_s if again_s is None or self._stuck is None else self._look_stuck(self._stuck, now, again_s)

    def _beat(self, now: float) -> float | None:
        silent_s = now - self.heard_at
        if silent_s < PING_AFTER_S:
            # Spread by the object's address: who came at one moment is not asked at one moment for ever.
            return max(TICK_S, PING_AFTER_S - silent_s - TICK_S * ((id(self) >> 8) % 4))
        if self._asked_at <= self.heard_at:
            self._asked_at, self._backlog = now, self._untaken()
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(PING)
        elif silent_s >= GONE_AFTER_S:
            backlog = self._untaken()
            if backlog >= self._backlog:
                self._abort()
                return None
            # The ping waits behind what they are still taking.
            self._backlog, self.heard_at = backlog, now - PING_AFTER_S
            self._asked_at = now
        return max(TICK_S, GONE_AFTER_S - (now - self.heard_at))

    def _look_stuck(self, stuck: tuple[int, float], now: float, again_s: float) -> float:
        backlog, since = stuck
        left = self._untaken()
        if left < backlog:
            self._stuck = (left, now)
        elif now - since >= STUCK_S:
            self._talk.on_stuck()
            return CLOSE_WITHIN_S
        return min(again_s, max(TICK_S, STUCK_S - (now - self._stuck[1] if self._stuck else 0.0)))

    def _untaken(self) -> int:
        return 0 if self._transport is None else untaken(self._transport)

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self, code: int) -> None:
        """Say goodbye with a code; the connection ends when they answer, or soon after."""
        if self._phase in (Phase.CLOSING, Phase.GONE):
            return
        parser = self._parser = self._parser or self._exchange.parsers.borrow()
        # Their own end may stand in the piece that is being read: then the parser has answered that already.
        if parser.state is OPEN:
            parser.send_close(code)
        self.write(b"".join(parser.data_to_send()))
        self._close_soon()

    def give_up(self) -> None:
        """A fault of ours: let the connection go, so that it costs nobody else anything."""
        self._abort()

    def _closed_by_them(self) -> None:
        """Their close frame, or their answer to ours; the parser has its answer ready."""
        assert self._parser is not None
        self.write(b"".join(self._parser.data_to_send()))
        self._close_soon()
        self.send()
        if self._transport is not None:
            self._transport.close()

    def _fail(self) -> None:
        """They broke the protocol. What is still on its way is read for a moment, or it would cost them our reason."""
        self._close_soon()
        self.send()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def _close_soon(self) -> None:
        if self._phase in (Phase.NEW, Phase.LIVE):
            self._phase = Phase.CLOSING
            self._until = self._exchange.wheel.now + CLOSE_WITHIN_S
            self._exchange.wheel.add(self, CLOSE_WITHIN_S)
            self._talk.on_gone()
            self.go_on()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._gone()

    def eof_received(self) -> None:
        """They have hung up; the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._gone()
        self._transport = None
        self._connections.discard(self)

    def _gone(self) -> None:
        before, self._phase = self._phase, Phase.GONE
        self._unread, self._message, self._parser, self._out = b"", None, None, None
        if before in (Phase.NEW, Phase.LIVE):
            self._talk.on_gone()

    def shutdown(self) -> None:
        """uvicorn stops: called for every connection at once, closed one after the other."""
        within_s = min(ROLL_S, len(self._connections) / ROLL_PER_S)
        asyncio.get_running_loop().call_later(random.random() * within_s, self._talk.retire)  # noqa: S311
