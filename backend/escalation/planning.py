"""One step of an incident: whom it pages now, and when the next one comes. Rows only; nothing leaves from here."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db import new_id
from backend.escalation.models import Attempt, Incident
from backend.escalation.policy import PolicySnapshot
from backend.escalation.roster import Contact, chosen, on_call_contacts
from backend.escalation.timeline import add_line
from backend.notification import status

#: Least time between two steps when the sweepers catch up after a standstill.
CATCH_UP = timedelta(seconds=1)


async def take_step(session: AsyncSession, incident: Incident, now: datetime) -> list[UUID]:
    """Plan the attempts of the incident's next step and move its timer on; returns the attempts to send.

    A step that finds nobody brings the next one forward at once, until the roster is as wide as it gets.
    """
    policy = msgspec.convert(incident.policy, PolicySnapshot)
    contacts = await on_call_contacts(session, incident.market, now)
    made: list[Attempt] = []
    last, base = len(policy.delays()) + 2, incident.next_due or now
    while not made:
        step = incident.step
        made = _attempts(incident, policy, contacts, now)
        incident.step = step + 1
        incident.next_due = max(base + timedelta(seconds=policy.gap_s(step)), now + CATCH_UP)
        add_line(session, incident.id, now, "step", "step_taken" if made else "nobody_on_call", who=str(step))
        if step >= last:
            break
    _ring_console(session, incident, now)
    session.add_all(made)
    return [attempt.id for attempt in made]


def _attempts(incident: Incident, policy: PolicySnapshot, contacts: list[Contact], now: datetime) -> list[Attempt]:
    wanted: dict[tuple[UUID, str], Contact] = {}
    for line in policy.pages_of(incident.step):
        for contact in chosen(contacts, incident.market, line.targets):
            for channel in line.channels:
                wanted.setdefault((contact.method_id, channel), contact)
    return [new_attempt(incident, channel, now, contact) for (_, channel), contact in wanted.items()]


def new_attempt(incident: Incident, channel: str, now: datetime, contact: Contact | None) -> Attempt:
    """An attempt that is due now, already on its way to the broker."""
    return Attempt(
        id=new_id(),
        incident_id=incident.id,
        wave=incident.step,
        account_id=contact.account_id if contact else None,
        contact_method_id=contact.method_id if contact else None,
        channel=channel,
        status=status.DUE,
        tries=0,
        due_at=now,
        enqueued_at=now,
        fence=0,
        created_at=now,
        updated_at=now,
    )


def _ring_console(session: AsyncSession, incident: Incident, now: datetime) -> None:
    bell = new_attempt(incident, "console", now, None)
    bell.status, bell.sent_at = "rung", now
    session.add(bell)
