"""Sending one attempt: claim it, tell the provider, write down what came of it.

The claim is a compare-and-set on the row, so in the ordinary case nobody dials twice, whoever asked: the job, a
second job, a sweeper. A process that dies between telling and writing leaves `sending` behind; whoever claims that
looks before sending again. A doubled page is better than none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text

from backend.escalation import outcomes
from backend.escalation.models import Attempt, ContactMethod, Incident
from backend.escalation.parts import Parts, phone_key, seconds_between
from backend.escalation.queueing import SEND, hand_over
from backend.escalation.wording import page_text
from backend.keys import SealBroken
from backend.notification import Failure, Order, SendError, Sent, status

log = structlog.get_logger("escalation")

#: Longer than one exchange with the provider may take; renewed before each further one. Whoever dies while holding a
#: claim delays the page by no more than this.
CLAIM_S = 5
#: A send of unknown outcome is looked up and sent again so many times within one job.
ROUNDS = 2

_CLAIM = text(
    """
    UPDATE attempt a
    SET status = 'sending', claimed_by = :by, claimed_until = :until, fence = a.fence + 1, tries = a.tries + 1,
        first_tried_at = coalesce(a.first_tried_at, :now), updated_at = :now
    FROM (SELECT id, status FROM attempt WHERE id = :id FOR NO KEY UPDATE) before, incident i
    WHERE a.id = before.id AND i.id = a.incident_id AND i.status = 'triggered'
      AND (before.status = 'due' OR (before.status = 'retry' AND a.due_at <= :now)
           OR (before.status IN ('sending', 'unknown') AND coalesce(a.claimed_until, :now) <= :now))
    RETURNING before.status AS before, a.fence, a.first_tried_at
    """
)
_RENEW = text(
    """
    UPDATE attempt a SET claimed_until = :until FROM incident i
    WHERE a.id = :id AND a.fence = :fence AND a.status = 'sending' AND i.id = a.incident_id AND i.status = 'triggered'
    RETURNING a.id
    """
)
_DROP = text(
    "UPDATE attempt SET status = 'skipped', updated_at = :now WHERE id = :id AND fence = :fence AND status = 'sending'"
)
_SKIP = text(
    """
    UPDATE attempt a SET status = 'skipped', updated_at = :now FROM incident i
    WHERE a.id = :id AND i.id = a.incident_id AND i.status <> 'triggered' AND a.status IN ('due', 'retry', 'unknown')
    """
)
_KNOWN_SIDS = text("SELECT sid FROM attempt WHERE contact_method_id = :method AND sid IS NOT NULL AND id <> :id")
_TOLD_SID = text(
    "SELECT sid FROM provider_callback WHERE attempt_id = :id AND sid IS NOT NULL ORDER BY received_at LIMIT 1"
)


class Claim(msgspec.Struct, frozen=True):
    """An attempt that is ours to send until the claim runs out."""

    attempt_id: UUID
    by: str
    fence: int
    before: str
    first_tried_at: datetime
    channel: str
    method_id: UUID
    order: Order


async def send_attempt(parts: Parts, attempt_id: UUID, by: str) -> str | None:
    """Send an attempt if it is still to be sent; its status afterwards, None when it was not ours.

    `by` names the process: `worker:...` or `sweeper:...`.
    """
    try:
        claim = await _claim(parts, attempt_id, by)
    except SealBroken:
        return await outcomes.write_refusal(parts, attempt_id, "number_unreadable")
    if claim is None:
        return None
    if claim.before in (status.SENDING, status.UNKNOWN):
        found = await _look(parts, claim)
        if found is not None:
            return await outcomes.write_sent(parts, claim.attempt_id, claim.fence, found)
        if not await _renew(parts, claim):
            return None
    return await _send(parts, claim)


async def _send(parts: Parts, claim: Claim) -> str | None:
    """Tell the provider, at most twice: when nobody knows whether the first one left, look, then send again."""
    for _ in range(ROUNDS):
        try:
            sent = await _tell(parts, claim)
        except SendError as error:
            if error.failure is not Failure.UNKNOWN:
                return await _failed(parts, claim, error)
            if not await _renew(parts, claim):
                return None
            found = await _look(parts, claim)
            if found is None and not await _renew(parts, claim):
                return None
            if found is None:
                continue
            sent = found
        return await outcomes.write_sent(parts, claim.attempt_id, claim.fence, sent)
    return await outcomes.write_unknown(parts, claim.attempt_id, claim.fence)


async def _claim(parts: Parts, attempt_id: UUID, by: str) -> Claim | None:
    now = parts.clock.now()
    values: dict[str, Any] = {"id": attempt_id, "by": by, "now": now, "until": now + timedelta(seconds=CLAIM_S)}
    async with parts.db.session() as session:
        row = (await session.execute(_CLAIM, values)).one_or_none()
        if row is None:
            await session.execute(_SKIP, {"id": attempt_id, "now": now})
            await session.commit()
            return None
        await session.commit()
        attempt = await session.get_one(Attempt, attempt_id)
        method = await session.get_one(ContactMethod, attempt.contact_method_id)
        incident = await session.get_one(Incident, attempt.incident_id)
        to = phone_key(parts).open(method.phone_sealed, method.id.bytes).decode()
        body = ""
        if attempt.channel == "sms":
            body = await page_text(session, parts, incident, "sms", method.language)
        order = Order(attempt_id=attempt_id, to=to, body=body, mark=incident.short_code)
        return Claim(attempt_id, by, row.fence, row.before, row.first_tried_at, attempt.channel, method.id, order)


async def _renew(parts: Parts, claim: Claim) -> bool:
    """Hold the claim a little longer; False when a callback, a person or another sender has settled it meanwhile."""
    values: dict[str, Any] = {
        "id": claim.attempt_id,
        "fence": claim.fence,
        "until": parts.clock.now() + timedelta(seconds=CLAIM_S),
    }
    async with parts.db.session() as session:
        row = (await session.execute(_RENEW, values)).one_or_none()
        if row is None:
            await session.execute(_DROP, {"id": claim.attempt_id, "fence": claim.fence, "now": parts.clock.now()})
        await session.commit()
    return row is not None


async def _tell(parts: Parts, claim: Claim) -> Sent:
    if claim.channel == "sms":
        return await parts.notifier.send_sms(claim.order)
    return await parts.notifier.place_call(claim.order)


async def _look(parts: Parts, claim: Claim) -> Sent | None:
    """What an earlier try left behind: a callback that carries our id, else one look into the provider's list."""
    async with parts.db.session() as session:
        told = await session.scalar(_TOLD_SID, {"id": claim.attempt_id})
        known = await session.scalars(_KNOWN_SIDS, {"method": claim.method_id, "id": claim.attempt_id})
        sids = frozenset(str(sid) for sid in known)
    if told:
        return Sent(str(told), "queued")
    within_s = seconds_between(claim.first_tried_at, parts.clock.now())
    try:
        return await parts.notifier.find_by_attempt(claim.channel, claim.order, within_s, sids)
    except SendError as error:
        log.warning("list_unavailable", attempt_id=str(claim.attempt_id), failure=str(error.failure))
        return None


async def _failed(parts: Parts, claim: Claim, error: SendError) -> str:
    """A clear failure: try this one later if that may help, and another channel at once in any case."""
    log.warning("send_failed", attempt_id=str(claim.attempt_id), failure=str(error.failure), code=error.code)
    became, more = await outcomes.write_failure(parts, claim.attempt_id, claim.fence, error)
    if more and not await hand_over(parts.broker, SEND, [str(one) for one in more]):
        for one in more:
            await send_attempt(parts, one, claim.by)
    return became
