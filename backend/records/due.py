"""What a sweep has to find: the run of the day, and runs whose next step is due.

In health a step runs in a worker; the row with its due time is the truth, the queue only shortens the wait. A worker
that does not answer is asked again, and in the end (or with the broker away) the sweep does the work itself.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import dramatiq
from redis.exceptions import RedisError
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.records.desk import Services, advance, desk_of
from retention.jobs import NAME, QUEUE
from retention.models import RunRow

#: The daily run starts at this hour, UTC, or as soon after as a sweep looks.
DAILY_HOUR = 0
#: A worker gets this long before it is asked again, and so many times before the sweep does it.
ASK_AGAIN = timedelta(seconds=60)
SENDS = 3
CLAIM = 4

#: Part of a sweeper's one look: would `run_due` find anything at `$1`?
DUE = f"""EXISTS (SELECT FROM disposition_run WHERE next_due <= $1::timestamptz) OR (
    extract(hour FROM $1::timestamptz AT TIME ZONE 'UTC') >= {DAILY_HOUR} AND NOT EXISTS (
        SELECT FROM disposition_run WHERE kind = 'daily' AND for_date = ($1::timestamptz AT TIME ZONE 'UTC')::date))"""  # noqa: S608  (a constant of this file)

_ONE_STARTS = text("SELECT pg_advisory_xact_lock(hashtextextended('disposition_run', 0))")
_log = logging.getLogger(__name__)


async def run_due(services: Services) -> int:
    """Start the day's run if there is none yet, hand out what is due; returns how many runs were looked after."""
    started = await start_daily(services)
    claimed = await _claim(services)
    for run_id, sends in claimed:
        await _hand_out(services, run_id, sends)
    return len(claimed) + started


async def start_daily(services: Services) -> int:
    """One run a day, however many sweepers look; 1 when this one started it."""
    now = services.clock.now()
    if now.hour < DAILY_HOUR:
        return 0
    async with services.db.session() as session:
        if await _has_daily(session, now.date()):
            return 0
        await session.execute(_ONE_STARTS)
        if await _has_daily(session, now.date()):
            return 0  # another sweeper was first
        await desk_of(services).start(session, "daily")
        await session.commit()
    return 1


async def _has_daily(session: AsyncSession, today: Any) -> bool:
    query = select(RunRow.id).where(RunRow.for_date == today, RunRow.kind == "daily")
    return (await session.scalar(query)) is not None


async def _claim(services: Services) -> list[tuple[UUID, int]]:
    """Take due runs, putting off their next look: two sweepers never take the same."""
    now = services.clock.now()
    async with services.db.session() as session:
        due = (
            select(RunRow.id)
            .where(RunRow.next_due <= now)
            .order_by(RunRow.next_due)
            .limit(CLAIM)
            .with_for_update(skip_locked=True)
        )
        found = list(await session.scalars(due))
        if not found:
            return []
        taken = await session.execute(
            update(RunRow)
            .where(RunRow.id.in_(found))
            .values(next_due=now + ASK_AGAIN, sends=RunRow.sends + 1)
            .returning(RunRow.id, RunRow.sends)
        )
        claimed = [(row.id, row.sends) for row in taken]
        await session.commit()
    return claimed


async def _hand_out(services: Services, run_id: UUID, sends: int) -> None:
    if sends <= SENDS and await asyncio.to_thread(send_run, services.broker, run_id):
        return
    _log.warning("disposition run goes on in the sweeper", extra={"run": str(run_id), "sends": sends})
    await advance(services, run_id)


def send_run(broker: dramatiq.Broker, run_id: UUID) -> bool:
    """Ask a worker to go on with a run; False when the broker is out of reach."""
    message = cast("Any", dramatiq.Message)(
        queue_name=QUEUE, actor_name=NAME, args=(str(run_id),), kwargs={}, options={}
    )
    try:
        broker.declare_queue(QUEUE)
        cast("Any", broker).enqueue(message)
    except (dramatiq.errors.BrokerError, RedisError, OSError):
        return False
    return True
