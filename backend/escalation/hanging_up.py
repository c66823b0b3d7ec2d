"""Ending calls that nobody needs any more."""

from __future__ import annotations

from uuid import UUID

import structlog

from backend.escalation.models import Attempt
from backend.escalation.parts import Parts
from backend.escalation.queueing import HANG_UP, hand_over
from backend.notification import SendError, status

log = structlog.get_logger("escalation")


async def hang_up_attempt(parts: Parts, attempt_id: UUID) -> bool:
    """Hang up an attempt's call if it still rings or talks; whether the provider was asked."""
    async with parts.db.session() as session:
        attempt = await session.get(Attempt, attempt_id)
    if attempt is None or attempt.sid is None or attempt.status not in status.LIVE:
        return False
    try:
        await parts.notifier.hang_up(attempt.sid)
    except SendError as error:
        # It rings out by itself; the responder then hears who has the incident.
        log.warning("not_hung_up", attempt_id=str(attempt_id), failure=str(error.failure))
    return True


async def notify_others(parts: Parts, attempt_ids: list[UUID]) -> None:
    """Let the workers hang up these calls, or do it here when they cannot be reached."""
    if attempt_ids and not await hand_over(parts.broker, HANG_UP, [str(one) for one in attempt_ids]):
        for one in attempt_ids:
            await hang_up_attempt(parts, one)
