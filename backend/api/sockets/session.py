"""One socket from its first frame to its last: sign in, catch up, then one frame at a time."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from backend.accounts.caller import Caller
from backend.accounts.service import redeem_ticket
from backend.api.sockets.closing import Close, close_for
from backend.api.sockets.frames import Auth, MarkFrame, MessageFrame, QuickFrame, Unreadable, read_frame
from backend.api.sockets.outlet import Outlet
from backend.api.sockets.presence import Presence
from backend.api.sockets.registry import Seat, SocketRegistry
from backend.errors import ProblemError
from backend.messages.access import HISTORY, MAX_RESUME, access_epoch, access_history, access_last_seq, access_missed
from backend.messages.receipts import access_seq_of
from backend.messages.wire import frame
from backend.pipeline.limits import TokenBuckets
from backend.pipeline.marking import mark_up_to
from backend.pipeline.quick import send_quick
from backend.pipeline.sending import Delivered, Outgoing
from backend.pipeline.services import Services
from backend.realtime import AUDIENCES, Audience, Numbered
from backend.trips.access import TripView

#: More bytes of missed events than this are not replayed: the client starts from a snapshot.
MAX_RESUME_BYTES = 1_048_576
#: Frames that cannot be read are answered; a client that sends nothing else is closed.
MAX_UNREADABLE = 10
TYPING_EVERY_S = 0.5
#: Marks of one socket a second, and at once: each costs PostgreSQL a few statements, and they may be drawn together.
MARKS_PER_S, MARKS_BURST = 50.0, 200.0


class ChatSession:
    """The conversation of one socket with the chat."""

    def __init__(self, services: Services, registry: SocketRegistry, presence: Presence, trip_id: UUID) -> None:
        self._services, self._registry, self._presence = services, registry, presence
        self.trip_id = trip_id
        limit = services.settings.limit
        self.outlet = Outlet(limit.socket_queue_bytes, limit.socket_queue_frames)
        self._seat: Seat | None = None
        self._view: TripView | None = None
        self._unreadable = 0
        self._typed_at = 0.0
        self._marks = TokenBuckets(MARKS_PER_S, MARKS_BURST)

    # -- joining ---------------------------------------------------------------------------------------------------

    async def join(self, raw: str | bytes) -> None:
        """Take the first frame: who is it, may they, and what have they missed. Raises ProblemError."""
        services = self._services
        event, auth = read_frame(raw)
        if event != "auth":
            raise ProblemError("not_authenticated", "The first frame has to be auth.")
        caller = await self._identify(auth)
        view = await services.views.access_own(services.pool, caller, self.trip_id)
        standing = await services.standings.check_token(services.pool, caller)
        services.standings.check_suspension(standing)
        seat = Seat(caller, self.trip_id, self.outlet)
        self._registry.take(seat)
        self._seat, self._view = seat, view
        audience: Audience = "driver" if caller.role == "driver" else "customer"
        # Subscribe first, read afterwards: what is published in between is held in the outlet.
        before = await access_last_seq(services.pool, self.trip_id, audience)
        await services.hub.attach(self.trip_id, audience, self.outlet, before)
        await self._presence.enter(self.trip_id, caller.id)
        cursor = await self._catch_up(view, audience, auth)
        self.outlet.go_live(cursor)
        services.hub.caught_up(self.trip_id, audience, cursor)
        self._tell_peer("user-online", {"userId": caller.id, "userType": caller.role})

    async def _identify(self, auth: Auth) -> Caller:
        services = self._services
        if auth.token is not None:
            return services.tokens.verify(auth.token)
        if auth.ticket is None:
            raise ProblemError("not_authenticated")
        async with services.db.session() as session:
            try:
                return await redeem_ticket(session, services.clock, auth.ticket, self.trip_id)
            finally:
                # Also a ticket that was refused is used up.
                await session.commit()

    async def _catch_up(self, view: TripView, audience: Audience, auth: Auth) -> int:
        """Send `joined` and what was missed, whole, or `reset` with a snapshot; returns the cursor reached."""
        services = self._services
        epoch = await access_epoch(services.pool)
        last = await access_last_seq(services.pool, self.trip_id, audience)
        online = await self._presence.online(self.trip_id)
        joined = {"epoch": epoch, "lastSeq": last, "participants": self._participants(view, online)}
        stale = auth.epoch is not None and auth.epoch != epoch
        if auth.since is not None and not stale and auth.since <= last:
            missed = await self._missed(view, audience, auth.since, last)
            if missed is not None:
                reached = missed[-1].seq if missed else last
                self.outlet.begin(frame("joined", {**joined, "lastSeq": reached}), *(part.frame for part in missed))
                return reached
        # Only up to `last`: what is stored while this is read follows as its own event, also one without a message.
        history = await access_history(services.pool, services.keyring, view, audience, limit=HISTORY, up_to=last)
        snapshot = frame("messages-history", history)
        if auth.since is not None:
            reason = "epoch" if stale else "too_far"
            snapshot = frame("reset", {"epoch": epoch, "lastSeq": last, "reason": reason, "messages": history})
        self.outlet.begin(frame("joined", joined), snapshot)
        return last

    async def _missed(self, view: TripView, audience: Audience, since: int, last: int) -> list[Numbered] | None:
        """Every event after `since`; None where that is not whole, or too much to be told one by one."""
        start = max(since, view.from_seq(audience))
        if last - start > MAX_RESUME:
            return None
        missed = await access_missed(self._services.pool, self._services.keyring, view, audience, start)
        whole = [part.seq for part in missed] == list(range(start + 1, start + 1 + len(missed)))
        small = sum(len(part.frame) for part in missed) <= MAX_RESUME_BYTES
        return missed if whole and small and start + len(missed) >= last else None

    def _participants(self, view: TripView, online: set[UUID]) -> list[dict[str, Any]]:
        people = (("driver", view.driver_id), ("customer", view.customer_id))
        return [
            {
                "userId": user_id,
                "userType": role,
                "name": view.name_of(role),
                "online": user_id in online or self._registry.is_here(self.trip_id, user_id),
            }
            for role, user_id in people
        ]

    # -- living ----------------------------------------------------------------------------------------------------

    async def take(self, raw: str | bytes) -> None:
        """Answer one frame. What goes wrong with it is told in an `error` frame; the socket stays."""
        client_message_id: UUID | None = None
        try:
            event, data = read_frame(raw)
            self._unreadable = 0
            client_message_id = getattr(data, "client_message_id", None)
            await self._handle(event, data)
        except Unreadable as problem:
            self._unreadable += 1
            self._tell_error(problem, problem.client_message_id)
            if self._unreadable >= MAX_UNREADABLE:
                self.outlet.close(Close.BAD_FRAMES)
        except ProblemError as problem:
            self._tell_error(problem, client_message_id)
            if problem.code in ("token_revoked", "suspended", "trip_not_found"):
                self.outlet.close(close_for(problem))

    async def _handle(self, event: str, data: Any) -> None:
        caller = self.caller
        if caller.expires_at < self._services.clock.now():
            self.outlet.close(Close.NOT_AUTHENTICATED)
            raise ProblemError("token_expired")
        if isinstance(data, MessageFrame):
            outgoing = Outgoing(content=data.content, client_message_id=data.client_message_id, reply_to=data.reply_to)
            self._ack(await self._services.sender.send(caller, self.trip_id, outgoing))
        elif isinstance(data, QuickFrame):
            self._ack(await send_quick(self._services, caller, self.trip_id, data.template_key, data.client_message_id))
        elif isinstance(data, MarkFrame):
            await self._mark("read" if event == "read" else "delivered", data)
        elif event == "typing":
            self._typing()
        elif event == "ping":
            self.outlet.put(frame("pong", {}))
        else:
            raise ProblemError("unknown_event", "This socket is signed in already.")

    @property
    def caller(self) -> Caller:
        """Who holds this socket. Raises `not_authenticated` before `join`."""
        if self._seat is None:
            raise ProblemError("not_authenticated")
        return self._seat.caller

    def _ack(self, delivered: Delivered) -> None:
        message = delivered.message
        data = {
            "clientMessageId": message.client_message_id,
            "id": message.id,
            "seq": message.seq,
            "status": message.status,
        }
        self.outlet.put(frame("ack", data))

    async def _mark(self, kind: str, data: MarkFrame) -> None:
        services, caller = self._services, self.caller
        self._marks.take(kind)
        view = await services.views.access_own(services.pool, caller, self.trip_id)
        seq = data.seq
        if seq is None:
            if data.message_id is None:
                raise ProblemError("invalid_value", "Say seq or messageId.")
            seq = await access_seq_of(services.pool, view, caller.role, data.message_id)
        await mark_up_to(services, caller, view, kind, seq)

    def _typing(self) -> None:
        now = time.monotonic()
        if now - self._typed_at >= TYPING_EVERY_S:
            self._typed_at = now
            self._tell_peer("typing", {"userId": self.caller.id, "userType": self.caller.role})

    def _tell_peer(self, event: str, data: dict[str, Any]) -> None:
        for side in AUDIENCES:
            if side != self.caller.role:
                self._services.hub.whisper(self.trip_id, side, frame(event, data))

    def _tell_error(self, problem: ProblemError, client_message_id: UUID | None) -> None:
        data: dict[str, Any] = {"code": problem.code, "message": problem.detail}
        if client_message_id is not None:
            data["clientMessageId"] = client_message_id
        if "reason" in problem.extra:
            data["reason"] = problem.extra["reason"]
        if problem.retry_after_s is not None:
            data["retryAfter"] = problem.retry_after_s
        self.outlet.put(frame("error", data))

    def tell_problem(self, problem: ProblemError, raw: str | bytes) -> None:
        """Answer a frame that failed on our side, by the id that its sender will try again with."""
        try:
            client_message_id = getattr(read_frame(raw)[1], "client_message_id", None)
        except ProblemError:
            client_message_id = None
        self._tell_error(problem, client_message_id)

    # -- leaving ---------------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Give back the seat and tell the other side; safe after a `join` that failed half-way."""
        if self._seat is None:
            return
        caller = self._seat.caller
        audience: Audience = "driver" if caller.role == "driver" else "customer"
        last_here = self._registry.leave(self._seat)
        await self._services.hub.detach(self.trip_id, audience, self.outlet)
        if last_here:
            gone = await self._presence.leave(self.trip_id, caller.id)
            if self._registry.is_here(self.trip_id, caller.id):
                # They came back while we said goodbye, and what was removed may be their return.
                await self._presence.enter(self.trip_id, caller.id)
            elif gone:
                self._tell_peer("user-offline", {"userId": caller.id, "userType": caller.role})
        self._seat = None
