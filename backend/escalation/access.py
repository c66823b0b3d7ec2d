"""Reads of incidents for the people of the desk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.models import StaffAccount
from backend.errors import ProblemError
from backend.escalation.models import Attempt, ContactMethod, Incident, IncidentEvent
from backend.escalation.parts import Parts, incident_key, phone_key
from backend.escalation.wording import opened_details, position
from backend.keys import SealBroken
from backend.notification import masked
from backend.trips.models import Trip

STATUSES = ("triggered", "acknowledged", "resolved")


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one contact method; `to` is a masked number."""

    id: UUID
    channel: str
    to: str | None
    name: str
    status: str
    at: datetime
    detail: str | None


class TimelineLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the history: a code, who did it, and the words of a note."""

    at: datetime
    kind: str
    text_code: str
    who: str | None
    note: str | None = None


class PartyView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    role: str
    rating: float | None = None


class TripOfIncident(msgspec.Struct, frozen=True, kw_only=True):
    """What a responder has to know of the trip."""

    trip_id: UUID
    market: str
    status: str
    driver: PartyView
    customer: PartyView
    vehicle: dict[str, Any] | None
    location: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with everything to act on it."""

    id: UUID
    trip_id: UUID
    status: str
    level: int | None
    covert: bool
    urgency: int
    short_code: str
    triggered_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    next_due: datetime | None
    attempts: list[AttemptView]
    timeline: list[TimelineLine]
    reporter: PartyView
    trip: TripOfIncident | None
    note: str | None
    location: dict[str, Any] | None
    linked_to: UUID | None
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str | None
    callback_attempted: bool | None


async def access_incident(session: AsyncSession, parts: Parts, incident_id: UUID) -> IncidentView:
    """One incident. Raises `not_found`."""
    incident = await session.get(Incident, incident_id, populate_existing=True)
    if incident is None:
        raise ProblemError("not_found")
    return (await _views(session, parts, [incident]))[0]


async def access_incidents(
    session: AsyncSession,
    parts: Parts,
    *,
    status: str | None = None,
    trip_id: UUID | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[IncidentView]:
    """Newest first; `before` is the (triggered_at, id) of the last one of the page before."""
    query = select(Incident).order_by(Incident.triggered_at.desc(), Incident.id.desc()).limit(limit)
    if status:
        query = query.where(Incident.status == status)
    if trip_id is not None:
        query = query.where(Incident.trip_id == trip_id)
    if before is not None:
        query = query.where(tuple_(Incident.triggered_at, Incident.id) < tuple_(*before))
    return await _views(session, parts, list(await session.scalars(query)))


async def _views(session: AsyncSession, parts: Parts, incidents: Sequence[Incident]) -> list[IncidentView]:
    """A handful of queries for a whole page."""
    ids = [incident.id for incident in incidents]
    trips = {
        trip.id: trip
        for trip in await session.scalars(select(Trip).where(Trip.id.in_([one.trip_id for one in incidents])))
    }
    attempts = list(
        await session.scalars(select(Attempt).where(Attempt.incident_id.in_(ids)).order_by(Attempt.created_at))
    )
    events = list(
        await session.scalars(
            select(IncidentEvent).where(IncidentEvent.incident_id.in_(ids)).order_by(IncidentEvent.at, IncidentEvent.id)
        )
    )
    names = await _names(session, incidents, attempts, events)
    numbers = await _numbers(session, parts, attempts)
    return [
        _view(
            parts,
            incident,
            trips.get(incident.trip_id),
            [_attempt(one, names, numbers) for one in attempts if one.incident_id == incident.id],
            [_line(parts, one, names) for one in events if one.incident_id == incident.id],
            names,
        )
        for incident in incidents
    ]


def _view(
    parts: Parts,
    incident: Incident,
    trip: Trip | None,
    attempts: list[AttemptView],
    timeline: list[TimelineLine],
    names: dict[UUID, str],
) -> IncidentView:
    details = opened_details(parts, incident)
    reason = incident.reason_sealed
    return IncidentView(
        id=incident.id,
        trip_id=incident.trip_id,
        status=incident.status,
        level=incident.level,
        covert=incident.covert,
        urgency=incident.urgency,
        short_code=incident.short_code,
        triggered_at=incident.triggered_at,
        acknowledged_at=incident.acknowledged_at,
        acknowledged_by=_name(incident.acknowledged_by, names),
        next_due=incident.next_due,
        attempts=attempts,
        timeline=timeline,
        reporter=PartyView(id=incident.reporter_id, name=incident.reporter_name, role=incident.reporter_role),
        trip=_trip(trip) if trip is not None else None,
        note=details.note,
        location=position(details, trip),
        linked_to=incident.linked_to,
        resolved_at=incident.resolved_at,
        resolved_by=_name(incident.resolved_by, names),
        reason=incident_key(parts).open(reason, incident.id.bytes).decode() if reason else None,
        callback_attempted=incident.callback_attempted,
    )


def _trip(trip: Trip) -> TripOfIncident:
    return TripOfIncident(
        trip_id=trip.id,
        market=trip.market,
        status=trip.status,
        driver=PartyView(id=trip.driver_id, name=trip.driver_name, role="driver", rating=trip.driver_rating),
        customer=PartyView(id=trip.customer_id, name=trip.customer_name, role="customer", rating=trip.customer_rating),
        vehicle=trip.vehicle,
        location=trip.location,
        created_at=trip.created_at,
        started_at=trip.started_at,
        ended_at=trip.ended_at,
    )


def _attempt(attempt: Attempt, names: dict[UUID, str], numbers: dict[UUID, str]) -> AttemptView:
    return AttemptView(
        id=attempt.id,
        channel=attempt.channel,
        to=numbers.get(attempt.contact_method_id) if attempt.contact_method_id else None,
        name=_name(attempt.account_id, names) or "Console",
        status=attempt.status,
        at=attempt.updated_at,
        detail=attempt.detail,
    )


def _line(parts: Parts, event: IncidentEvent, names: dict[UUID, str]) -> TimelineLine:
    note = event.note_sealed
    return TimelineLine(
        at=event.at,
        kind=event.kind,
        text_code=event.text_code,
        who=_name(event.account_id, names) or event.who,
        note=incident_key(parts).open(note, event.incident_id.bytes).decode() if note else None,
    )


def _name(account_id: UUID | None, names: dict[UUID, str]) -> str | None:
    return names.get(account_id, str(account_id)) if account_id is not None else None


async def _names(
    session: AsyncSession,
    incidents: Sequence[Incident],
    attempts: Sequence[Attempt],
    events: Sequence[IncidentEvent],
) -> dict[UUID, str]:
    wanted = {row.account_id for row in (*attempts, *events)}
    wanted |= {one.acknowledged_by for one in incidents} | {one.resolved_by for one in incidents}
    rows = await session.execute(select(StaffAccount.id, StaffAccount.name).where(StaffAccount.id.in_(wanted - {None})))
    return {row.id: row.name for row in rows}


async def _numbers(session: AsyncSession, parts: Parts, attempts: Sequence[Attempt]) -> dict[UUID, str]:
    """Masked numbers by contact method. One that does not open is shown as such, not left out."""
    ids = {attempt.contact_method_id for attempt in attempts} - {None}
    shown: dict[UUID, str] = {}
    for method in await session.scalars(select(ContactMethod).where(ContactMethod.id.in_(ids))):
        try:
            shown[method.id] = masked(phone_key(parts).open(method.phone_sealed, method.id.bytes).decode())
        except SealBroken:
            shown[method.id] = "unreadable"
    return shown
