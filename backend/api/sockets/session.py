"""One socket from its first frame to its last: sign in, catch up, then one frame at a time. No task of its own."""

from __future__ import annotations

import enum
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import structlog

from backend.accounts.caller import Caller
from backend.api.problems import problem_of
from backend.api.sockets.closing import Close, close_for
from backend.api.sockets.frames import MarkFrame, MessageFrame, QuickFrame, Unreadable, read_frame
from backend.api.sockets.hall import Hall
from backend.api.sockets.joining import catch_up, leave, sign_in
from backend.api.sockets.line import Line
from backend.api.sockets.outlet import Outlet
from backend.api.sockets.registry import Seat
from backend.errors import ProblemError
from backend.messages.access import access_last_seq
from backend.messages.receipts import access_seq_of
from backend.messages.wire import frame
from backend.pipeline.limits import TokenBuckets
from backend.pipeline.marking import mark_up_to
from backend.pipeline.quick import send_quick
from backend.pipeline.sending import Delivered, Outgoing

log = structlog.get_logger()

#: Frames that cannot be read are answered; a client that sends nothing else is closed.
MAX_UNREADABLE = 10
TYPING_EVERY_S = 0.5
#: Marks of one socket a second, and at once: each costs PostgreSQL a few statements, and they may be drawn together.
#: As many of `ping` and `typing` together; who says more is closed.
MARKS_PER_S, MARKS_BURST = 50.0, 200.0
#: Frames that wait for the answer to an earlier one, in number and characters; beyond that nothing more is read.
INBOX_FRAMES, INBOX_SIZE = 16, 32 * 1024
#: After these a socket has nothing more to do here.
_FINAL = ("token_revoked", "suspended", "trip_not_found")
_PONG = frame("pong", {})


class State(enum.Enum):
    """Nothing said yet; the join is in work; waiting for a frame; answering one; gone."""

    NEW = enum.auto()
    JOINING = enum.auto()
    IDLE = enum.auto()
    BUSY = enum.auto()
    GONE = enum.auto()


class ChatSession:
    """The conversation of one socket with the chat; a `Talk` on its line."""

    __slots__ = (
        "_asked", "_draining", "_hall", "_inbox", "_inbox_size", "_line", "_marks", "_retiring", "_seat", "_state",
        "_typed_at", "_unreadable", "outlet", "trip_id",
    )  # fmt: skip

    def __init__(self, hall: Hall, trip_id: UUID, line: Line) -> None:
        self._hall, self.trip_id, self._line = hall, trip_id, line
        limit = hall.services.settings.limit
        self.outlet = Outlet(line, limit.socket_queue_bytes, limit.socket_queue_frames)
        self._state = State.NEW
        self._seat: Seat | None = None
        self._inbox: deque[str | bytes] | None = None
        self._inbox_size = 0
        self._draining = self._retiring = False
        #: The `clientMessageId` of the frame that is being answered.
        self._asked: UUID | None = None
        self._unreadable = 0
        self._typed_at = 0.0
        self._marks: TokenBuckets | None = None

    # -- the line's side -------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether as many frames wait for their turn as may."""
        return self._inbox is not None and (len(self._inbox) >= INBOX_FRAMES or self._inbox_size >= INBOX_SIZE)

    def on_message(self, message: str | bytes) -> None:
        """Answer a frame now, or after those before it."""
        if self._state is State.IDLE and self._inbox is None:
            self._take(message)
        elif self._state is State.NEW:
            self._state = State.JOINING
            self._line.settle()
            self._line.spawn(self._join(message))
        elif self._state is not State.GONE:
            self._inbox = self._inbox or deque()
            self._inbox.append(message)
            self._inbox_size += len(message)

    def on_room(self) -> None:
        """The transport takes frames again."""
        self.outlet.flush()

    def on_unsaid(self) -> None:
        """No first frame in time."""
        self._refuse(ProblemError("auth_timeout"))

    def on_stuck(self) -> None:
        """The client reads nothing."""
        self.outlet.close(Close.SLOW_CONSUMER)

    def on_gone(self) -> None:
        """The socket has ended. A join in work sees that when it is done, a message in work is finished anyway."""
        before, self._state = self._state, State.GONE
        self._inbox = None
        self.outlet.closing = self.outlet.closing or Close.RESUME
        if before in (State.IDLE, State.BUSY):
            self._line.spawn(self._leave())

    def retire(self) -> None:
        """The process stops. What is being answered is answered first."""
        self._retiring = True
        if self._state is not State.BUSY:
            self.outlet.close(Close.RESTART)

    # -- joining ---------------------------------------------------------------------------------------------------

    async def _join(self, raw: str | bytes) -> None:
        try:
            await self._come_in(raw)
        except Exception as error:
            problem = problem_of(error)
            if problem.code == "internal_error":
                log.error("socket.join_failed", error=type(error).__name__, exc_info=error)
            self._refuse(problem)
        if self._state is State.GONE:
            await self._leave()
        else:
            self._state = State.BUSY
            self._answered()

    async def _come_in(self, raw: str | bytes) -> None:
        services = self._hall.services
        caller, view, auth = await sign_in(services, self.trip_id, raw)
        seat = Seat(caller, self.trip_id, self.outlet)
        self._hall.registry.take(seat)
        self._seat = seat
        await self._hall.registry.elsewhere.enter(caller.id, self._hall.registry.count(caller.id))
        audience = seat.audience
        # Subscribe first, read afterwards: what is published in between is held in the outlet.
        before = await access_last_seq(services.pool, self.trip_id, audience)
        await services.hub.attach(self.trip_id, audience, self.outlet, before)
        cursor = await catch_up(self._hall, seat, view, auth)
        self.outlet.go_live(cursor)
        services.hub.caught_up(self.trip_id, audience, cursor)
        self._hall.tell_peer(seat, "user-online")

    def _refuse(self, problem: ProblemError) -> None:
        self._tell_error(problem)
        self.outlet.close(close_for(problem))

    # -- living ----------------------------------------------------------------------------------------------------

    def _take(self, raw: str | bytes) -> None:
        """Answer one frame. What goes wrong with it is told in an `error` frame; the socket stays."""
        self._state = State.BUSY
        self._asked = None
        try:
            event, data = read_frame(raw)
            self._unreadable = 0
            waits = self._handle(event, data)
        except Exception as error:  # noqa: BLE001  (told and logged)
            waits = False
            self._tell_failure(error)
        if not waits:
            self._answered()

    def _handle(self, event: str, data: Any) -> bool:
        """Begin to answer; True when `_answered` is called later, or was already."""
        seat = self._seat
        if seat is None:
            return False
        caller = seat.caller
        if caller.expires_at < self._hall.services.clock.now():
            self._tell_error(ProblemError("token_expired"))
            self.outlet.close(Close.NOT_AUTHENTICATED)
        elif isinstance(data, MessageFrame):
            self._asked = data.client_message_id
            outgoing = Outgoing(content=data.content, client_message_id=data.client_message_id, reply_to=data.reply_to)
            self._hall.services.sender.submit(caller, self.trip_id, outgoing, self._sent)
            return True
        elif isinstance(data, QuickFrame):
            self._asked = data.client_message_id
            return self._work(self._quick(caller, data))
        elif isinstance(data, MarkFrame):
            return self._work(self._mark(caller, "read" if event == "read" else "delivered", data))
        elif event in ("typing", "ping"):
            self._light(seat, event)
        else:
            raise ProblemError("unknown_event", "This socket is signed in already.")
        return False

    def _work(self, work: Coroutine[Any, Any, None]) -> bool:
        """What needs rows gets a task for as long as it lasts."""
        self._line.spawn(self._finish(work))
        return True

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  (told and logged)
            self._tell_failure(error)
        finally:
            self._answered()

    def _sent(self, result: Delivered | BaseException) -> None:
        """The pipeline is done with our message."""
        if isinstance(result, Delivered):
            self._ack(result)
        else:
            self._tell_failure(result)
        self._answered()

    def _answered(self) -> None:
        """One frame is done: the next, if one waits, or the end."""
        if self._state is not State.BUSY:
            return
        self._state = State.IDLE
        self._asked = None
        if self._retiring:
            self.outlet.close(Close.RESTART)
        elif self._inbox is not None and not self._draining:
            self._drain(self._inbox)

    def _drain(self, inbox: deque[str | bytes]) -> None:
        self._draining = True
        try:
            while inbox and self._state is State.IDLE:
                message = inbox.popleft()
                self._inbox_size -= len(message)
                self._take(message)
        finally:
            self._draining = False
        if not inbox:
            self._inbox = None
        if not self.full:
            self._line.go_on()

    def _ack(self, delivered: Delivered) -> None:
        message = delivered.message
        data = {
            "clientMessageId": message.client_message_id,
            "id": message.id,
            "seq": message.seq,
            "status": message.status,
        }
        self.outlet.put(frame("ack", data))

    async def _quick(self, caller: Caller, data: QuickFrame) -> None:
        services = self._hall.services
        self._ack(await send_quick(services, caller, self.trip_id, data.template_key, data.client_message_id))

    async def _mark(self, caller: Caller, kind: str, data: MarkFrame) -> None:
        services = self._hall.services
        self._marks = self._marks or TokenBuckets(MARKS_PER_S, MARKS_BURST)
        self._marks.take(kind)
        view = await services.views.access_own(services.pool, caller, self.trip_id)
        seq = data.seq
        if seq is None:
            if data.message_id is None:
                raise ProblemError("invalid_value", "Say seq or messageId.")
            seq = await access_seq_of(services.pool, view, caller.role, data.message_id)
        await mark_up_to(services, caller, view, kind, seq)

    def _light(self, seat: Seat, event: str) -> None:
        """What costs next to nothing; a client that says nothing else without a pause is not a person's phone."""
        self._marks = self._marks or TokenBuckets(MARKS_PER_S, MARKS_BURST)
        try:
            self._marks.take("light")
        except ProblemError as problem:
            self._tell_error(problem)
            self.outlet.close(Close.TOO_MANY)
            return
        if event == "ping":
            self.outlet.put(_PONG)
        else:
            self._typing(seat)

    def _typing(self, seat: Seat) -> None:
        now = time.monotonic()
        if now - self._typed_at >= TYPING_EVERY_S:
            self._typed_at = now
            self._hall.tell_peer(seat, "typing")

    def _tell_failure(self, error: BaseException) -> None:
        """Answer a frame that was refused or failed, by the id that its sender will try again with."""
        if isinstance(error, Unreadable):
            self._unreadable += 1
            self._asked = error.client_message_id
        problem = problem_of(error) if isinstance(error, Exception) else ProblemError("unavailable")
        if problem is not error:
            log.error("socket.frame_failed", code=problem.code, error=type(error).__name__, exc_info=error)
        self._tell_error(problem)
        if self._unreadable >= MAX_UNREADABLE:
            self.outlet.close(Close.BAD_FRAMES)
        elif problem.code in _FINAL:
            self.outlet.close(close_for(problem))

    def _tell_error(self, problem: ProblemError) -> None:
        data: dict[str, Any] = {"code": problem.code, "message": problem.detail}
        if self._asked is not None:
            data["clientMessageId"] = self._asked
        if "reason" in problem.extra:
            data["reason"] = problem.extra["reason"]
        if problem.retry_after_s is not None:
            data["retryAfter"] = problem.retry_after_s
        self.outlet.put(frame("error", data))

    # -- leaving ---------------------------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """Give back the seat and tell the other side; safe after a join that failed half-way."""
        seat, self._seat = self._seat, None
        if seat is None:
            return
        try:
            await leave(self._hall, seat)
        except Exception as error:
            log.error("socket.leave_failed", error=type(error).__name__, exc_info=error)
