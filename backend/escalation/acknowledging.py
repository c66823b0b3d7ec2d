"""Acknowledgement: human evidence only, the first one wins, and it is a lease.

A voicemail that "completed", a text that was "delivered", a screened call: none of them is a person who said yes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import Entry
from backend.db import new_id
from backend.escalation.locking import lock_incident
from backend.escalation.models import ACKNOWLEDGED, TRIGGERED, Acknowledgement, Attempt, Incident
from backend.escalation.parts import Parts
from backend.escalation.policy import PolicySnapshot
from backend.escalation.timeline import add_line
from backend.escalation.wording import holder_name
from backend.notification import status

Via = Literal["dtmf", "sms", "console"]

_WIN = text(
    """
    UPDATE incident
    SET status = 'acknowledged', acknowledged_at = :now, acknowledged_by = :account, next_due = :lapses,
        fence = fence + 1, lease_until = NULL
    WHERE id = :id AND status = 'triggered'
    RETURNING id
    """
)


class Answer(msgspec.Struct, frozen=True):
    """What an acknowledgement came to. `hang_up`: calls that ring for nothing now."""

    won: bool
    status: str
    holder: str
    holder_id: UUID | None
    short_code: str
    hang_up: tuple[UUID, ...] = ()


async def acknowledge(
    parts: Parts, session: AsyncSession, incident_id: UUID, account_id: UUID, via: Via, attempt_id: UUID | None
) -> Answer | None:
    """Take an incident for `account_id`, in the caller's transaction; None when there is none.

    Whoever holds it already renews the lease; anybody else is told who has it.
    """
    incident = await lock_incident(session, incident_id)
    if incident is None:
        return None
    now = parts.clock.now()
    lapses = now + timedelta(seconds=msgspec.convert(incident.policy, PolicySnapshot).ack_lease_s)
    won = await _win(session, incident, account_id, now=now, lapses=lapses)
    if won:
        await session.refresh(incident)
    repeated = not won and incident.status == ACKNOWLEDGED and incident.acknowledged_by == account_id
    if repeated:
        incident.next_due = lapses
    session.add(
        Acknowledgement(
            id=new_id(), incident_id=incident_id, account_id=account_id, via=via, attempt_id=attempt_id, at=now, won=won
        )
    )
    code = f"acknowledged_by_{via}" if won else "acknowledgement_renewed" if repeated else "acknowledgement_late"
    add_line(session, incident_id, now, "acknowledgement", code, account_id=account_id)
    await parts.audit.append(session, _entry(incident, account_id, via, "ok" if won or repeated else "late"))
    await session.flush()
    calls = await stand_down(session, incident_id, now, attempt_id) if won else ()
    holder = await holder_name(session, incident) if incident.acknowledged_by else ""
    return Answer(won or repeated, incident.status, holder, incident.acknowledged_by, incident.short_code, calls)


async def _win(session: AsyncSession, incident: Incident, account_id: UUID, **moments: object) -> bool:
    """Compare-and-set: of two who press at once exactly one gets a row back."""
    values = {"id": incident.id, "account": account_id, **moments}
    return incident.status == TRIGGERED and (await session.execute(_WIN, values)).first() is not None


async def stand_down(session: AsyncSession, incident_id: UUID, now: object, but: UUID | None) -> tuple[UUID, ...]:
    """Skip what was not sent yet; the calls of others that ring or talk."""
    await session.execute(
        update(Attempt)
        .where(Attempt.incident_id == incident_id, Attempt.status.in_((status.DUE, status.RETRY, status.UNKNOWN)))
        .values(status=status.SKIPPED, updated_at=now)
    )
    calls = await session.scalars(
        select(Attempt.id).where(
            Attempt.incident_id == incident_id, Attempt.channel == "call", Attempt.status.in_(status.LIVE)
        )
    )
    return tuple(one for one in calls if one != but)


def _entry(incident: Incident, account_id: UUID, via: str, outcome: str) -> Entry:
    return Entry(
        event="incident.acknowledged",
        outcome=outcome,
        trip_id=incident.trip_id,
        staff_id=account_id,
        person_id=incident.reporter_id,
        private={"incident_id": str(incident.id), "via": via},
    )
