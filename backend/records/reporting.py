"""Makes the report of a period from the database as it stands."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.clock import Clock
from backend.errors import ProblemError
from backend.keys.keyring import CACHE_LIFE_S
from backend.records.figures import Period, class_lines
from retention.models import ScheduleRow
from retention.reports import ComingLine, HoldLine, KeyFigures, OpenLine, PolicyLine, Report, RunFigures
from retention.standing import Standing

#: Longest period of one report, in days.
DAYS_MAX = 1_100
AHEAD = timedelta(days=30)
BACKUPS = "as long as the operator keeps backups of the schema keys"
VERIFY = "tripwarden audit verify log"

_STEPS = text("SELECT name, day, done_at, counts FROM disposition_step WHERE done_at >= :since AND done_at < :until")
_RUNS = text(
    """
    SELECT count(*) FILTER (WHERE kind <> 'dry') AS runs, count(*) FILTER (WHERE kind = 'dry') AS dry_runs,
           count(*) FILTER (WHERE status = 'awaiting_approval') AS waiting
    FROM disposition_run WHERE started_at >= :since AND started_at < :until
    """
)
_OPENS = text(
    """
    SELECT a.purpose, coalesce(s.name, CAST(a.account_id AS text)) AS account, a.role, count(*) AS opened
    FROM trip_access a LEFT JOIN staff_account s ON s.id = a.account_id
    WHERE a.at >= :since AND a.at < :until GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
_COMING = text(
    """
    SELECT expire_on AS day, 'text' AS record_class, count(*) AS rows FROM (
        SELECT expire_on FROM trip_message WHERE expire_on > :today AND expire_on <= :ahead
        UNION ALL SELECT expire_on FROM trip_event WHERE expire_on > :today AND expire_on <= :ahead) t GROUP BY 1
    UNION ALL SELECT expire_on, 'verdict', count(*) FROM trip_verdict
        WHERE expire_on > :today AND expire_on <= :ahead GROUP BY 1
    ORDER BY 1, 2
    """
)
_LIVING = text("SELECT count(*) FROM keys.data_key WHERE wrapped IS NOT NULL")
_CHECKPOINT = text("SELECT note FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1")


async def make_report(session: AsyncSession, standing: Standing, clock: Clock, first: date, last: date) -> Report:
    """The report from `first` to `last`, both included (UTC days). Raises `invalid_value` for a period that is none."""
    if not first <= last <= first + timedelta(days=DAYS_MAX):
        raise ProblemError("invalid_value", f"A period is from a day to a later one, at most {DAYS_MAX} days.")
    now = clock.now()
    period = Period(first, last, now.date())
    await session.execute(text("SET LOCAL statement_timeout = '2min'"))
    return Report(
        first=first,
        last=last,
        generated_at=now,
        classes=await class_lines(session, period, await standing.schedules(session)),
        policies=await _policies(session, period),
        holds=await _holds(session, standing, period),
        disposition=await _disposition(session, period),
        keys=await _keys(session, period),
        opens=[OpenLine(**row) for row in (await session.execute(_OPENS, period.bounds)).mappings()],
        next_30_days=await _coming(session, period),
        checkpoint=await session.scalar(_CHECKPOINT),
        verify=VERIFY,
    )


async def _policies(session: AsyncSession, period: Period) -> list[PolicyLine]:
    bounds = period.bounds
    query = select(ScheduleRow).where(ScheduleRow.saved_at < bounds["until"])
    rows = list(await session.scalars(query.order_by(ScheduleRow.market, ScheduleRow.version)))
    newest = {row.market: row.version for row in rows}
    return [
        PolicyLine(
            market=row.market,
            version=row.version,
            saved_at=row.saved_at,
            changed_in_period=row.saved_at >= bounds["since"],
            in_force=newest[row.market] == row.version,
        )
        for row in rows
    ]


async def _holds(session: AsyncSession, standing: Standing, period: Period) -> list[HoldLine]:
    bounds = period.bounds
    return [
        HoldLine(
            id=str(hold.id),
            scope=hold.scope,
            target=hold.target,
            basis=hold.basis,
            placed_at=hold.placed_at,
            released_at=hold.released_at,
            review_on=hold.review_on,
        )
        for hold in await standing.holds(session)
        if hold.placed_at < bounds["until"] and (hold.released_at is None or hold.released_at >= bounds["since"])
    ]


async def _disposition(session: AsyncSession, period: Period) -> RunFigures:
    runs = (await session.execute(_RUNS, period.bounds)).one()
    lags: list[float] = []
    early = 0
    for row in await session.execute(_STEPS, period.bounds):
        early += int(row.counts.get("early", 0))
        if row.name == "drop":
            expired = datetime.combine(row.day, time(), UTC)
            lags.append((row.done_at - expired).total_seconds() / 3600)
    return RunFigures(
        runs=runs.runs,
        dry_runs=runs.dry_runs,
        waiting_for_approval=runs.waiting,
        partitions_dropped=len(lags),
        early_blocked=early,
        lag_hours_median=round(median(lags), 1) if lags else None,
        lag_hours_longest=round(max(lags), 1) if lags else None,
    )


async def _keys(session: AsyncSession, period: Period) -> KeyFigures:
    steps = await session.execute(_STEPS, period.bounds)
    return KeyFigures(
        destroyed=sum(int(row.counts.get("keys", 0)) for row in steps),
        living=(await session.execute(_LIVING)).scalar_one(),
        processes_forget_s=int(CACHE_LIFE_S),
        backups=BACKUPS,
    )


async def _coming(session: AsyncSession, period: Period) -> list[ComingLine]:
    days: dict[str, Any] = {"today": period.today, "ahead": period.today + AHEAD}
    return [ComingLine(**row) for row in (await session.execute(_COMING, days)).mappings()]
