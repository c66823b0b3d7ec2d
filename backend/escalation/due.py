"""What is due: steps of incidents, leases that ran out, attempts that nobody picked up. Called twice a second.

Any number of sweepers may run. Each claims with SKIP LOCKED, holds a lease and carries a fencing token; whatever
a human did in between has moved the token on, and the slower writer changes nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, text, update

from backend.escalation.models import ACKNOWLEDGED, RESOLVED, TRIGGERED, Attempt, Incident
from backend.escalation.parts import Parts
from backend.escalation.planning import take_step
from backend.escalation.queueing import SEND, hand_over
from backend.escalation.sending import send_attempt
from backend.escalation.timeline import add_line

log = structlog.get_logger("escalation")

#: A sweeper that claimed and died lets go after so many seconds.
LEASE_S = 5
#: An attempt that no worker picked up after so many seconds is sent by the sweeper itself.
PICK_UP_S = 2
BATCH = 20

#: Part of a sweeper's one look: would `run_due` find anything at `$1`? True for what another one holds locked, too.
DUE = f"""EXISTS (
    SELECT FROM incident
    WHERE status <> 'resolved' AND next_due <= $1::timestamptz AND (lease_until IS NULL OR lease_until <= $1)
) OR EXISTS (
    SELECT FROM attempt a JOIN incident i ON i.id = a.incident_id
    WHERE a.status IN ('due', 'sending', 'unknown', 'retry') AND i.status = 'triggered' AND a.due_at <= $1
      AND (a.status IN ('due', 'retry') OR a.claimed_until <= $1)
      AND (a.enqueued_at IS NULL OR a.enqueued_at <= $1 - interval '{PICK_UP_S} s')
)"""  # noqa: S608  (a constant of this file)

_CLAIM = text(
    """
    WITH ripe AS (
        SELECT id FROM incident
        WHERE status <> 'resolved' AND next_due <= :now AND (lease_until IS NULL OR lease_until <= :now)
        ORDER BY next_due LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE incident i SET lease_by = :by, lease_until = :until, fence = i.fence + 1
    FROM ripe WHERE i.id = ripe.id RETURNING i.id, i.fence
    """
)
_PICK_UP = text(
    """
    WITH ripe AS (
        SELECT a.id, a.enqueued_at AS was FROM attempt a
        JOIN incident i ON i.id = a.incident_id
        WHERE a.status IN ('due', 'sending', 'unknown', 'retry') AND i.status = 'triggered' AND a.due_at <= :now
          AND (a.status IN ('due', 'retry') OR a.claimed_until <= :now)
          AND (a.enqueued_at IS NULL OR a.enqueued_at <= :stale)
        ORDER BY a.due_at LIMIT :batch FOR NO KEY UPDATE OF a SKIP LOCKED
    )
    UPDATE attempt a SET enqueued_at = :now FROM ripe WHERE a.id = ripe.id RETURNING a.id, ripe.was
    """
)


def sweeper_name() -> str:
    """What a sweeper signs with."""
    return f"sweeper:{os.getpid()}"


async def run_due(parts: Parts) -> int:
    """Do what is due now; how many things were done."""
    claims = await _claim(parts, parts.clock.now())
    attempts: list[UUID] = []
    for incident_id, fence in claims:
        try:
            attempts += await advance(parts, incident_id, fence)
        except Exception as error:
            # One incident that cannot be advanced must not keep the others waiting; its lease lets it come again.
            log.error("step_broken", incident_id=str(incident_id), error=repr(error), exc_info=error)
    if attempts:
        await dispatch(parts, attempts)
    if claims:
        parts.hub.ring_staff("incidents")
    return len(claims) + await pick_up(parts)


async def _claim(parts: Parts, now: datetime) -> list[tuple[UUID, int]]:
    values: dict[str, Any] = {
        "now": now,
        "until": now + timedelta(seconds=LEASE_S),
        "by": sweeper_name(),
        "batch": BATCH,
    }
    async with parts.db.session() as session:
        rows = (await session.execute(_CLAIM, values)).all()
        await session.commit()
    return [(row.id, row.fence) for row in rows]


async def advance(parts: Parts, incident_id: UUID, fence: int) -> list[UUID]:
    """Take the next step of a claimed incident, unless somebody was faster; the attempts to send."""
    now = parts.clock.now()
    async with parts.db.session() as session:
        found = await session.scalars(
            select(Incident)
            .where(Incident.id == incident_id, Incident.fence == fence, Incident.status != RESOLVED)
            .with_for_update(key_share=True)
        )
        incident = found.one_or_none()
        if incident is None:
            return []
        if incident.status == ACKNOWLEDGED:
            # Whoever took it has done nothing since: somebody else has to.
            incident.status, incident.next_due = TRIGGERED, now
            add_line(session, incident_id, now, "lease", "acknowledgement_lapsed", account_id=incident.acknowledged_by)
            incident.acknowledged_at = incident.acknowledged_by = None
        made = await take_step(session, incident, now)
        incident.lease_until = None
        await session.commit()
    return made


async def dispatch(parts: Parts, attempts: Sequence[UUID]) -> None:
    """Hand attempts to the workers; with the broker away send them from here."""
    if await hand_over(parts.broker, SEND, [str(one) for one in attempts]):
        return
    await _send_here(parts, attempts)


async def pick_up(parts: Parts) -> int:
    """Attempts whose time has come: a retry goes to the workers, one that they left lying is sent from here."""
    now = parts.clock.now()
    stale = now - timedelta(seconds=PICK_UP_S)
    values: dict[str, Any] = {"now": now, "stale": stale, "batch": BATCH}
    async with parts.db.session() as session:
        rows = (await session.execute(_PICK_UP, values)).all()
        await session.commit()
    fresh = [row.id for row in rows if row.was is None]
    if fresh:
        await dispatch(parts, fresh)
    left = [row.id for row in rows if row.was is not None]
    if left:
        log.warning("not_picked_up", count=len(left))
        await _send_here(parts, left)
    return len(rows)


async def _send_here(parts: Parts, attempts: Sequence[UUID]) -> None:
    """All at once: one that hangs must not hold up the others."""
    done = await asyncio.gather(*(send_attempt(parts, one, sweeper_name()) for one in attempts), return_exceptions=True)
    for one, result in zip(attempts, done, strict=True):
        if isinstance(result, BaseException):
            log.error("send_broken", attempt_id=str(one), error=repr(result))


async def free_for_sweepers(parts: Parts, attempts: Sequence[UUID]) -> None:
    """The broker did not take these: the next sweep, half a second from now, does."""
    async with parts.db.session() as session:
        await session.execute(update(Attempt).where(Attempt.id.in_(attempts)).values(enqueued_at=None))
        await session.commit()
