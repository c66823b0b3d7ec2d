"""THE way of an emergency: one transaction holds incident, first attempts, notice and audit; then everybody is told.

Nothing here may refuse a person in danger: no rate limit, mute, suspension or closed chat, and a chat that cannot
take the notice does not undo the incident.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.escalation.due import free_for_sweepers
from backend.escalation.queueing import SEND, hand_over
from backend.escalation.service import Press, Pressed, trigger
from backend.escalation.wording import Details
from backend.keys import KeyDestroyed
from backend.pipeline.services import Services
from backend.realtime import AUDIENCES, Audience, ChatEvent
from backend.trips.access import access_trip
from backend.trips.models import Trip

log = structlog.get_logger("escalation")

#: A press counts until so long after the end of the trip: people get home and then dare.
OPEN_AFTER_END = timedelta(hours=24)
LINE = "emergency"


class PressRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client adds to a press. `covert` None: as the market's policy says."""

    client_request_id: UUID | str | None = None
    covert: bool | None = None
    location: dict[str, Any] | None = None
    note: str | None = None


class PressView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the person who pressed is told."""

    id: UUID
    status: str
    triggered_at: datetime
    client_request_id: str | None


class PressAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The view, and whether this press made a new incident."""

    view: PressView
    is_new: bool


async def press(services: Services, caller: Caller, trip_id: UUID, request: PressRequest) -> PressAnswer:
    """Take a press of the emergency button. Raises `trip_not_found`, and `chat_closed` a day after the end.

    A repeat with the same `client_request_id` is the same incident; another press raises the urgency of the open one.
    """
    async with services.db.session() as session:
        trip = await access_trip(session, trip_id)
        check_may_press(caller, trip, services.clock.now())
        pressed = await trigger(services, session, trip, _press(caller, trip, request))
        # Asked before the notice: a savepoint that rolls back expires what it touched.
        answer = _answer(pressed, request)
        events = await _notice(services, session, pressed) if answer.is_new else []
        await session.commit()
    await _announce(services, events, pressed.attempts)
    return answer


def check_may_press(caller: Caller, trip: Trip, now: datetime) -> None:
    """Whoever takes part in the trip may, whatever else they may not. Raises `trip_not_found`, `chat_closed`."""
    own = {"driver": trip.driver_id, "customer": trip.customer_id}.get(caller.role)
    if own != caller.id or caller.trip_id not in (None, trip.id):
        raise ProblemError("trip_not_found")
    if trip.ended_at is not None and now - trip.ended_at > OPEN_AFTER_END:
        raise ProblemError("chat_closed", "This trip ended more than 24 hours ago.")


def _press(caller: Caller, trip: Trip, request: PressRequest) -> Press:
    return Press(
        trip_id=trip.id,
        reporter_id=caller.id,
        reporter_role=caller.role,
        reporter_name=trip.driver_name if caller.role == "driver" else trip.customer_name,
        client_request_id=str(request.client_request_id) if request.client_request_id else None,
        covert=request.covert,
        details=Details(note=request.note, location=request.location),
    )


def _answer(pressed: Pressed, request: PressRequest) -> PressAnswer:
    incident = pressed.incident
    view = PressView(
        id=incident.id,
        status=incident.status,
        triggered_at=incident.triggered_at,
        client_request_id=str(request.client_request_id) if request.client_request_id else None,
    )
    return PressAnswer(view=view, is_new=pressed.outcome == "new")


async def _notice(services: Services, session: AsyncSession, pressed: Pressed) -> list[ChatEvent]:
    """The seed's line and event, for whoever pressed; the other side only where the press is overt."""
    incident = pressed.incident
    presser: Audience = "driver" if incident.reporter_role == "driver" else "customer"
    audience: frozenset[Audience] = frozenset({presser}) if incident.covert else frozenset(AUDIENCES)
    try:
        async with session.begin_nested():
            line = await services.chat.post_system_line(session, incident.trip_id, LINE, audience)
            event = await services.chat.post_emergency(session, incident.trip_id, incident.reporter_id, audience)
    except (ProblemError, KeyDestroyed, SQLAlchemyError) as error:
        log.error("notice_failed", incident_id=str(incident.id), error=type(error).__name__)
        return []
    return [line, event]


async def _announce(services: Services, events: list[ChatEvent], attempts: list[UUID]) -> None:
    """After the commit: the workers first, then the console, then the chat."""
    if attempts and not await hand_over(services.broker, SEND, [str(one) for one in attempts]):
        await free_for_sweepers(services, attempts)
    services.hub.ring_staff("incidents")
    services.hub.ring_staff("trips")
    await services.hub.publish(*events)
