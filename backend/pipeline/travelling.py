"""A trip's way: write it, add its system lines, commit, and only then tell."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.messages.service import BOTH
from backend.pipeline.services import Services
from backend.realtime import ChatEvent
from backend.trips.models import ENDED
from backend.trips.service import Saved, TripFacts

#: The system line that a status writes into the chat.
LINES = {
    "pickup": "pickup",
    "arriving": "arriving",
    "in_transit": "trip_started",
    "completed": "completed",
    "cancelled": "cancelled",
}


async def save_trip(services: Services, trip_id: UUID, facts: TripFacts) -> Saved:
    """Create or update a trip and tell everybody whom it concerns."""
    async with services.db.session() as session:
        saved = await services.trips.save(session, trip_id, facts)
        events = await _events(services, session, saved)
        await session.commit()
    await _tell(services, saved, events)
    return saved


async def set_trip_status(services: Services, trip_id: UUID, status: str) -> Saved:
    """Move a trip to another status."""
    async with services.db.session() as session:
        saved = await services.trips.set_status(session, trip_id, status)
        events = await _events(services, session, saved)
        await session.commit()
    await _tell(services, saved, events)
    return saved


async def _events(services: Services, session: AsyncSession, saved: Saved) -> list[ChatEvent]:
    trip, events = saved.trip, list[ChatEvent]()
    if saved.swapped_from is not None:
        events.append(await services.chat.post_system_line(session, trip.id, "driver_swapped", frozenset({"customer"})))
    if saved.status_changed and not (saved.created and trip.status == "accepted"):
        closes_at = trip.ended_at + services.trips.closing_grace if trip.ended_at and trip.status in ENDED else None
        events.append(await services.chat.post_status(session, trip.id, trip.status, closes_at))
        if trip.status in LINES:
            events.append(await services.chat.post_system_line(session, trip.id, LINES[trip.status], BOTH))
    return events


async def _tell(services: Services, saved: Saved, events: list[ChatEvent]) -> None:
    services.hub.control("trip_changed", trip_id=saved.trip.id)
    await services.hub.publish(*events)
    services.hub.ring_staff("trips")
