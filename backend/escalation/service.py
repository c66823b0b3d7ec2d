"""Writes of incidents: a press, a note, the end; and the roster. `acknowledging` and `due` write the rest."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import Entry
from backend.db import new_id
from backend.errors import ProblemError
from backend.escalation.acknowledging import stand_down
from backend.escalation.locking import lock_incident
from backend.escalation.models import (
    ACKNOWLEDGED,
    RESOLVED,
    TRIGGERED,
    EscalationPolicy,
    EscalationStep,
    Incident,
    IncidentPress,
)
from backend.escalation.parts import Parts, incident_key
from backend.escalation.planning import take_step
from backend.escalation.policy import PolicyLine, PolicySnapshot
from backend.escalation.roster import DEFAULT_MARKET
from backend.escalation.seeding import seed_roster
from backend.escalation.timeline import add_line
from backend.escalation.wording import Details, sealed_details
from backend.trips.models import Trip

__all__ = ["Press", "Pressed", "add_note", "policy_of", "resolve", "seed_roster", "trigger"]

#: A second press on an acknowledged incident lets its holder so many seconds to react.
PRESSED_AGAIN_LEASE = timedelta(seconds=30)
NOTE_MAX_CHARS = 2_000
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('incident ' || :trip, 0))")


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """Who pressed where, and what they added. `covert` None: as the policy of the market says."""

    trip_id: UUID
    reporter_id: UUID
    reporter_role: str
    reporter_name: str
    client_request_id: str | None = None
    covert: bool | None = None
    details: Details


class Pressed(msgspec.Struct, frozen=True, kw_only=True):
    """What a press came to: a `new` incident, one pressed `again`, or the `repeated` request of an earlier press."""

    incident: Incident
    outcome: str
    attempts: list[UUID]


async def policy_of(session: AsyncSession, market: str) -> PolicySnapshot:
    """The policy in force for a market, frozen."""
    rows = await session.scalars(select(EscalationPolicy).where(EscalationPolicy.market.in_((market, DEFAULT_MARKET))))
    policies = {policy.market: policy for policy in rows}
    policy = policies.get(market) or policies[DEFAULT_MARKET]
    lines = await session.scalars(
        select(EscalationStep).where(EscalationStep.policy_id == policy.id).order_by(EscalationStep.position)
    )
    return PolicySnapshot(
        name=policy.name,
        lines=tuple(PolicyLine(line.delay_s, tuple(line.targets), tuple(line.channels)) for line in lines),
        repeat_s=policy.repeat_s,
        ack_lease_s=policy.ack_lease_s,
        overt=policy.overt,
    )


async def trigger(parts: Parts, session: AsyncSession, trip: Trip, press: Press) -> Pressed:
    """Write a press, in the caller's transaction: incident, escalation state, first attempts, audit entry."""
    # One at a time per trip: two presses of one person make one incident, of two persons two linked ones.
    await session.execute(_LOCK, {"trip": str(trip.id)})
    known = await _known_press(session, press)
    if known is not None:
        return Pressed(incident=known, outcome="repeated", attempts=[])
    now = parts.clock.now()
    mine = await _open_incident(session, trip.id, Incident.reporter_id == press.reporter_id)
    if mine is not None:
        _press_again(parts, session, mine, press, now)
        outcome, attempts = "again", []
    else:
        mine = await _create(parts, session, trip, press, now)
        outcome, attempts = "new", await take_step(session, mine, now)
    if press.client_request_id:
        session.add(
            IncidentPress(
                trip_id=trip.id,
                reporter_id=press.reporter_id,
                client_request_id=press.client_request_id,
                incident_id=mine.id,
                at=now,
            )
        )
    await parts.audit.append(session, _triggered(mine, outcome))
    await session.flush()
    return Pressed(incident=mine, outcome=outcome, attempts=attempts)


async def _known_press(session: AsyncSession, press: Press) -> Incident | None:
    if not press.client_request_id:
        return None
    found = await session.scalars(
        select(Incident)
        .join(IncidentPress, IncidentPress.incident_id == Incident.id)
        .where(
            IncidentPress.trip_id == press.trip_id,
            IncidentPress.reporter_id == press.reporter_id,
            IncidentPress.client_request_id == press.client_request_id,
        )
    )
    return found.one_or_none()


async def _open_incident(session: AsyncSession, trip_id: UUID, *conditions: ColumnElement[bool]) -> Incident | None:
    found = await session.scalars(
        select(Incident)
        .where(Incident.trip_id == trip_id, Incident.status != RESOLVED, *conditions)
        .with_for_update(key_share=True)
    )
    return found.first()


async def _create(parts: Parts, session: AsyncSession, trip: Trip, press: Press, now: datetime) -> Incident:
    policy = await policy_of(session, trip.market)
    other = await _open_incident(session, trip.id, Incident.reporter_id != press.reporter_id)
    incident_id = new_id()
    incident = Incident(
        id=incident_id,
        trip_id=trip.id,
        market=trip.market,
        reporter_id=press.reporter_id,
        reporter_role=press.reporter_role,
        reporter_name=press.reporter_name,
        covert=(not policy.overt) if press.covert is None else press.covert,
        status=TRIGGERED,
        urgency=1,
        short_code=await _new_code(session),
        details_sealed=sealed_details(parts, incident_id, press.details),
        policy=msgspec.to_builtins(policy),
        step=0,
        next_due=now,
        fence=0,
        triggered_at=now,
        pressed_at=now,
        linked_to=other.id if other else None,
    )
    session.add(incident)
    if other is not None:
        other.linked_to = incident_id
    await session.flush()
    add_line(session, incident_id, now, "press", "pressed", who=press.reporter_role)
    return incident


def _press_again(parts: Parts, session: AsyncSession, incident: Incident, press: Press, now: datetime) -> None:
    """More urgent: the next step comes now, or the holder has half a minute."""
    incident.urgency += 1
    incident.pressed_at = now
    if press.details.note or press.details.location:
        incident.details_sealed = sealed_details(parts, incident.id, press.details)
    soon = now if incident.status == TRIGGERED else now + PRESSED_AGAIN_LEASE
    incident.next_due = min(incident.next_due or soon, soon)
    add_line(session, incident.id, now, "press", "pressed_again", who=incident.reporter_role)


async def _new_code(session: AsyncSession) -> str:
    """Five digits that no unresolved incident has."""
    taken = set(await session.scalars(select(Incident.short_code).where(Incident.status != RESOLVED)))
    while True:
        code = f"{secrets.randbelow(90_000) + 10_000}"
        if code not in taken:
            return code


async def add_note(parts: Parts, session: AsyncSession, incident_id: UUID, account_id: UUID, note: str) -> Incident:
    """A responder's words on the timeline; an act on the incident, so it renews the lease."""
    incident = await _locked(session, incident_id)
    now = parts.clock.now()
    add_line(
        session,
        incident_id,
        now,
        "note",
        "note",
        account_id=account_id,
        note_sealed=incident_key(parts).seal(note[:NOTE_MAX_CHARS].encode(), incident_id.bytes),
    )
    if incident.status == ACKNOWLEDGED:
        policy = msgspec.convert(incident.policy, PolicySnapshot)
        incident.next_due = now + timedelta(seconds=policy.ack_lease_s)
    return incident


async def resolve(
    parts: Parts, session: AsyncSession, incident_id: UUID, account_id: UUID, *, reason: str, level: int
) -> tuple[UUID, ...]:
    """End an incident whose person was tried to be called back; the calls to hang up.

    Raises `incident_resolved`, `not_found`.
    """
    incident = await _locked(session, incident_id)
    if incident.status == RESOLVED:
        raise ProblemError("incident_resolved")
    now = parts.clock.now()
    incident.status, incident.next_due, incident.lease_until = RESOLVED, None, None
    incident.fence += 1
    incident.resolved_at, incident.resolved_by, incident.level = now, account_id, level
    incident.callback_attempted = True
    incident.reason_sealed = incident_key(parts).seal(reason.encode(), incident_id.bytes)
    add_line(session, incident_id, now, "resolution", f"resolved_level_{level}", account_id=account_id)
    await parts.audit.append(
        session,
        Entry(
            event="incident.resolved",
            trip_id=incident.trip_id,
            person_id=incident.reporter_id,
            staff_id=account_id,
            private={"incident_id": str(incident_id), "level": level, "callback_attempted": True},
        ),
    )
    await session.flush()
    return await stand_down(session, incident_id, now, None)


async def _locked(session: AsyncSession, incident_id: UUID) -> Incident:
    incident = await lock_incident(session, incident_id)
    if incident is None:
        raise ProblemError("not_found")
    return incident


def _triggered(incident: Incident, outcome: str) -> Entry:
    return Entry(
        event="incident.triggered",
        outcome=outcome,
        trip_id=incident.trip_id,
        person_id=incident.reporter_id,
        private={"incident_id": str(incident.id), "covert": incident.covert, "urgency": incident.urgency},
    )
