"""What came of a send, written down under the fence of its claim; and what follows from it at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import Entry
from backend.escalation.locking import lock_attempt
from backend.escalation.models import TRIGGERED, Attempt, Incident
from backend.escalation.parts import Parts
from backend.escalation.planning import new_attempt
from backend.escalation.roster import Contact
from backend.escalation.timeline import add_line
from backend.notification import Failure, SendError, Sent, status

TRIES_MAX = 8
_OTHER = {"sms": "call", "call": "sms"}
_DONE = (status.REFUSED, status.GIVEN_UP, "failed", "undelivered")


async def write_sent(parts: Parts, attempt_id: UUID, fence: int, sent: Sent) -> str:
    """The provider took it. A callback may have been faster: then only the sid is news."""
    now = parts.clock.now()
    async with parts.db.session() as session:
        attempt, incident = await _locked(session, attempt_id, and_incident=False)
        attempt.sid = attempt.sid or sent.sid
        attempt.sent_at = attempt.sent_at or now
        if attempt.fence == fence and attempt.status in status.OPEN:
            attempt.status = status.normal(sent.status)
        attempt.updated_at = now
        add_line(session, incident.id, now, "attempt", f"{attempt.channel}_accepted", account_id=attempt.account_id)
        await parts.audit.append(session, _entry(incident, attempt, "attempt.sent", "ok"))
        became, sid, is_call = attempt.status, attempt.sid, attempt.channel == "call"
        await session.commit()
        # Asked after the commit: whoever takes the incident from here on sees this call and hangs it up.
        still = await session.scalar(select(Incident.status).where(Incident.id == incident.id))
    if is_call and still != TRIGGERED:
        await _quietly_hang_up(parts, sid)
    parts.hub.ring_staff("incidents")
    return became


async def write_unknown(parts: Parts, attempt_id: UUID, fence: int) -> str:
    """Nobody knows whether it left: look and send again in a moment."""
    now = parts.clock.now()
    async with parts.db.session() as session:
        attempt, incident = await _locked(session, attempt_id, and_incident=False)
        if attempt.fence == fence and attempt.status == status.SENDING:
            attempt.status, attempt.detail = status.UNKNOWN, "no_answer_from_provider"
            attempt.claimed_until = attempt.due_at = now + timedelta(seconds=1)
            attempt.enqueued_at = None
            if attempt.tries >= TRIES_MAX:
                attempt.status = status.GIVEN_UP
            attempt.updated_at = now
            await parts.audit.append(session, _entry(incident, attempt, "attempt.result", "unknown"))
        became = attempt.status
        await session.commit()
    parts.hub.ring_staff("incidents")
    return became


async def write_refusal(parts: Parts, attempt_id: UUID, why: str) -> str:
    """It cannot be sent at all, whatever the provider says."""
    async with parts.db.session() as session:
        attempt, _ = await _locked(session, attempt_id, and_incident=False)
        fence = attempt.fence
    error = SendError(Failure.REFUSED, None, why)
    became, _ = await write_failure(parts, attempt_id, fence, error)
    return became


async def write_failure(parts: Parts, attempt_id: UUID, fence: int, error: SendError) -> tuple[str, list[UUID]]:
    """A clear failure. Returns the status and the attempts by another channel that have to leave now."""
    now = parts.clock.now()
    async with parts.db.session() as session:
        attempt, incident = await _locked(session, attempt_id, and_incident=True)
        if attempt.fence != fence:
            return attempt.status, []
        attempt.detail = str(error.code) if error.code is not None else "provider_unreachable"
        if error.failure is Failure.RETRY and attempt.tries < TRIES_MAX:
            wait = error.retry_after_s or min(0.5 * 2**attempt.tries, 10.0)
            attempt.status, attempt.due_at = status.RETRY, now + timedelta(seconds=wait)
            attempt.enqueued_at = None
        else:
            attempt.status = status.REFUSED if error.failure is Failure.REFUSED else status.GIVEN_UP
        attempt.updated_at = now
        more = await follow_failure(parts, session, incident, attempt)
        await parts.audit.append(session, _entry(incident, attempt, "attempt.result", str(error.failure)))
        await session.commit()
    parts.hub.ring_staff("incidents")
    return attempt.status, more


async def follow_failure(parts: Parts, session: AsyncSession, incident: Incident, attempt: Attempt) -> list[UUID]:
    """After a failure: the other channel of the same person at once; if nothing of the step is left, the next step."""
    now = parts.clock.now()
    add_line(session, incident.id, now, "attempt", f"{attempt.channel}_failed", account_id=attempt.account_id)
    if incident.status != TRIGGERED or attempt.account_id is None or attempt.contact_method_id is None:
        return []
    await session.flush()
    siblings = list(
        await session.scalars(
            select(Attempt).where(
                Attempt.incident_id == incident.id, Attempt.wave == attempt.wave, Attempt.channel != "console"
            )
        )
    )
    other = _OTHER[attempt.channel]
    if not any(one.contact_method_id == attempt.contact_method_id and one.channel == other for one in siblings):
        contact = Contact(attempt.contact_method_id, attempt.account_id, "", incident.market)
        extra = new_attempt(incident, other, now, contact)
        extra.wave = attempt.wave
        session.add(extra)
        return [extra.id]
    if all(one.status in _DONE for one in siblings):
        await session.execute(
            update(Incident)
            .where(Incident.id == incident.id, Incident.status == TRIGGERED, Incident.next_due > now)
            .values(next_due=now)
        )
        add_line(session, incident.id, now, "step", "step_failed_whole", who=str(attempt.wave))
    return []


async def _locked(session: AsyncSession, attempt_id: UUID, *, and_incident: bool) -> tuple[Attempt, Incident]:
    found = await lock_attempt(session, attempt_id, and_incident=and_incident)
    assert found is not None, "attempts are never removed while they are sent"
    return found


async def _quietly_hang_up(parts: Parts, sid: str | None) -> None:
    """Somebody took the incident while we dialled; failing to hang up only lets the phone ring out."""
    if sid is None:
        return
    try:
        await parts.notifier.hang_up(sid)
    except SendError:
        return


def _entry(incident: Incident, attempt: Attempt, event: str, outcome: str) -> Entry:
    return Entry(
        event=event,
        outcome=outcome,
        trip_id=incident.trip_id,
        subject=str(incident.trip_id),
        private={
            "account_id": str(attempt.account_id),
            "incident_id": str(incident.id),
            "attempt_id": str(attempt.id),
            "channel": attempt.channel,
            "status": attempt.status,
        },
    )
