"""How a socket comes in - who is it, may they, what have they missed - and how it goes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from backend.accounts.caller import Caller
from backend.accounts.service import redeem_ticket
from backend.api.sockets.frames import Auth, read_frame
from backend.api.sockets.hall import Hall
from backend.api.sockets.registry import Seat
from backend.errors import ProblemError
from backend.messages.access import HISTORY, MAX_RESUME, access_epoch, access_history, access_last_seq, access_missed
from backend.messages.wire import frame
from backend.pipeline.marking import access_marks_for
from backend.pipeline.services import Services
from backend.realtime import Audience, Numbered
from backend.trips.access import TripView

#: More bytes of missed events than this are not replayed: the client starts from a snapshot.
MAX_RESUME_BYTES = 1_048_576


async def sign_in(services: Services, trip_id: UUID, raw: str | bytes) -> tuple[Caller, TripView, Auth]:
    """Who the first frame is from, and their trip. Raises ProblemError."""
    event, auth = read_frame(raw)
    if event != "auth":
        raise ProblemError("not_authenticated", "The first frame has to be auth.")
    caller = await _identify(services, trip_id, auth)
    services.limits.joins.take(caller.id)
    view = await services.views.access_own(services.pool, caller, trip_id)
    standing = await services.standings.check_token(services.pool, caller)
    services.standings.check_suspension(standing)
    return caller, view, auth


async def _identify(services: Services, trip_id: UUID, auth: Auth) -> Caller:
    if auth.token is not None:
        return services.tokens.verify(auth.token)
    if auth.ticket is None:
        raise ProblemError("not_authenticated")
    async with services.db.session() as session:
        try:
            return await redeem_ticket(session, services.clock, auth.ticket, trip_id)
        finally:
            # Also a ticket that was refused is used up.
            await session.commit()


async def catch_up(hall: Hall, seat: Seat, view: TripView, auth: Auth) -> int:
    """Send `joined` and what was missed, whole, or `reset` with a snapshot; returns the cursor reached."""
    services, outlet, audience = hall.services, seat.outlet, seat.audience
    epoch = await access_epoch(services.pool)
    last = await access_last_seq(services.pool, view.trip_id, audience)
    online = await hall.presence.enter(view.trip_id, seat.caller.id)
    joined = {"epoch": epoch, "lastSeq": last, "participants": _participants(hall, view, online)}
    stale = auth.epoch is not None and auth.epoch != epoch
    if auth.since is not None and not stale and auth.since <= last:
        missed = await _missed(services, view, audience, auth.since, last)
        if missed is not None:
            reached = missed[-1].seq if missed else last
            # Receipts are no events: what was read meanwhile, of messages this client has, nothing else would tell it.
            marks = await access_marks_for(services.pool, view, audience)
            first = frame("joined", {**joined, "lastSeq": reached})
            told = [receipt.mark for receipt in marks if receipt.mark is not None]
            hall.registry.counts["resumed"] += 1
            outlet.begin(first, *(part.frame for part in (*missed, *marks)), told=told)
            return reached
    # Only up to `last`: what is stored while this is read follows as its own event, also one without a message.
    history = await access_history(services.pool, services.keyring, view, audience, limit=HISTORY, up_to=last)
    snapshot = frame("messages-history", history)
    if auth.since is not None:
        reason = "epoch" if stale else "too_far"
        snapshot = frame("reset", {"epoch": epoch, "lastSeq": last, "reason": reason, "messages": history})
    hall.registry.counts["fresh" if auth.since is None else "reset"] += 1
    outlet.begin(frame("joined", joined), snapshot)
    return last


async def _missed(
    services: Services, view: TripView, audience: Audience, since: int, last: int
) -> list[Numbered] | None:
    """Every event after `since`; None where that is not whole, or too much to be told one by one."""
    start = max(since, view.from_seq(audience))
    if last - start > MAX_RESUME:
        return None
    missed = await access_missed(services.pool, services.keyring, view, audience, start)
    whole = [part.seq for part in missed] == list(range(start + 1, start + 1 + len(missed)))
    small = sum(len(part.frame) for part in missed) <= MAX_RESUME_BYTES
    return missed if whole and small and start + len(missed) >= last else None


def _participants(hall: Hall, view: TripView, online: set[UUID]) -> list[dict[str, Any]]:
    people = (("driver", view.driver_id), ("customer", view.customer_id))
    return [
        {
            "userId": user_id,
            "userType": role,
            "name": view.name_of(role),
            "online": user_id in online or hall.registry.is_here(view.trip_id, user_id),
        }
        for role, user_id in people
    ]


async def leave(hall: Hall, seat: Seat) -> None:
    """Give back a seat and tell the other side; safe after a join that failed half-way."""
    caller = seat.caller
    last_here = hall.registry.leave(seat)
    await hall.registry.elsewhere.leave(caller.id, hall.registry.count(caller.id))
    await hall.services.hub.detach(seat.trip_id, seat.audience, seat.outlet)
    if last_here:
        gone = await hall.presence.leave(seat.trip_id, caller.id)
        if hall.registry.is_here(seat.trip_id, caller.id):
            # They came back while we said goodbye, and what was removed may be their return.
            await hall.presence.enter(seat.trip_id, caller.id)
        elif gone:
            hall.tell_peer(seat, "user-offline")
