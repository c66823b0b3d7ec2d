"""Live trips ranked by risk, and the conversation of one of them, opened for a purpose."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from backend.accounts.caller import Caller
from backend.api.staff.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.api.staff.roles import staff_may_open_conversations, staff_may_watch
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.reviews import service
from backend.reviews.conversation import (
    SHOWN,
    Conversation,
    StaffMessage,
    TripDetail,
    access_conversation,
    access_trip_detail,
)
from backend.reviews.live import LiveFilter, LiveTrip, access_live_trips

Purpose = Literal["safety_review", "emergency", "complaint", "dispute", "training"]


class OpenedTrip(msgspec.Struct, frozen=True):
    """A trip with its conversation, oldest message first."""

    trip: TripDetail
    messages: list[StaffMessage]
    last_seq: int
    epoch: str


class NewMessages(msgspec.Struct, frozen=True):
    """What came after `after_seq`, and older messages that changed since."""

    items: list[StaffMessage]
    last_seq: int
    epoch: str


@get("/live-trips", guards=[staff_may_watch])
async def live_trips(
    services: NamedDependency[Services],
    market: FromQuery[str | None] = None,
    status: FromQuery[Literal["accepted", "pickup", "arriving", "in_transit"] | None] = None,
    sort: FromQuery[Literal["risk", "started"]] = "risk",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[LiveTrip]:
    """Trips in progress, the riskiest first; counts and codes, no text."""
    wish = LiveFilter(market=market, status=status, sort=sort, after=key_of(cursor, tuple[float, UUID]), limit=limit)
    async with services.db.session() as session:
        items, more = await access_live_trips(session, wish, services.clock.now())
    return Page(items, cursor_of(more) if more else None)


@get("/trips/{trip_id:uuid}", guards=[staff_may_open_conversations])
async def open_trip(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromPath[UUID],
    purpose: FromQuery[Purpose | None] = None,
) -> OpenedTrip:
    """Open a conversation. It is recorded with its purpose, and the trip's participants can see that."""
    talk, detail = await _open(services, caller, trip_id, purpose, None)
    return OpenedTrip(detail, talk.messages, talk.last_seq, talk.epoch)


@get("/trips/{trip_id:uuid}/messages", guards=[staff_may_open_conversations])
async def new_messages(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromPath[UUID],
    after_seq: FromQuery[int] = 0,
    purpose: FromQuery[Purpose | None] = None,
) -> NewMessages:
    """Follow a conversation that one has opened."""
    talk, _ = await _open(services, caller, trip_id, purpose, max(after_seq, 0))
    return NewMessages(talk.messages, talk.last_seq, talk.epoch)


async def _open(
    services: Services, caller: Caller, trip_id: UUID, purpose: Purpose | None, after_seq: int | None
) -> tuple[Conversation, TripDetail]:
    if purpose is None:
        raise ProblemError("purpose_required")
    async with services.db.session() as session:
        detail = await access_trip_detail(session, trip_id)
        await service.open_conversation(
            session,
            services.audit,
            services.clock,
            trip_id=trip_id,
            account_id=caller.id,
            role=caller.staff_role or "",
            purpose=purpose,
        )
        talk = await access_conversation(
            session, services.db.pool, services.keyring, trip_id, after_seq=after_seq, limit=SHOWN
        )
        # The record of the opening is durable before a word of the conversation leaves.
        await session.commit()
    return talk, detail


router = Router(path="/api/staff", route_handlers=[live_trips, open_trip, new_messages], tags=["staff: trips"])
