"""The figures of a report, each counted by SQL from the rows themselves and from the steps of the runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from retention.classes import HELD_DAY
from retention.reports import ClassLine
from retention.schedule import RetentionSchedule
from retention.standing import in_force

#: What has expired is destroyed within this; later is overdue.
GRACE = timedelta(days=1)
WAITS = "the run has not come to it"

#: Each class as rows of (market, at, expire_on, counted_on). Without a day of expiry of its own a row expires its
#: maximum after `counted_on`, the end of what it is about; null: that is still open.
SOURCES = {
    "text": """SELECT t.market, m.created_at AS at, m.expire_on, CAST(NULL AS date) AS counted_on
        FROM trip_message m LEFT JOIN trip t ON t.id = m.trip_id
        UNION ALL SELECT t.market, e.at, e.expire_on, NULL FROM trip_event e LEFT JOIN trip t ON t.id = e.trip_id""",
    "verdict": """SELECT t.market, v.at, v.expire_on, CAST(NULL AS date) AS counted_on
        FROM trip_verdict v LEFT JOIN trip t ON t.id = v.trip_id""",
    "location": """SELECT market, created_at AS at, text_expire_on AS expire_on, CAST(NULL AS date) AS counted_on
        FROM trip WHERE pickup IS NOT NULL OR destination IS NOT NULL OR location IS NOT NULL""",
    "key": """SELECT t.market, d.created_at AS at, t.text_expire_on AS expire_on, CAST(NULL AS date) AS counted_on
        FROM keys.data_key d LEFT JOIN trip t ON t.id = d.trip_id WHERE d.wrapped IS NOT NULL""",
    "case": """SELECT market, opened_at AS at, CAST(NULL AS date) AS expire_on,
        CAST(closed_at AT TIME ZONE 'UTC' AS date) AS counted_on FROM review_case""",
    "incident": """SELECT market, triggered_at AS at, CAST(NULL AS date) AS expire_on,
        CAST(resolved_at AT TIME ZONE 'UTC' AS date) AS counted_on FROM incident""",
    "audit": """SELECT 'default' AS market, created_at AS at, CAST(NULL AS date) AS expire_on,
        CAST(period + interval '1 month' AS date) AS counted_on FROM audit_key WHERE wrapped IS NOT NULL""",
}
_GROUPED = """
    SELECT coalesce(market, 'unknown') AS market, expire_on, counted_on,
           CAST(at AT TIME ZONE 'UTC' AS date) AS made_on,
           count(*) AS rows, count(*) FILTER (WHERE at >= :since AND at < :until) AS created
    FROM ({source}) s GROUP BY 1, 2, 3, 4
"""
_DROPPED = text(
    "SELECT record_class, counts FROM disposition_step WHERE name = 'drop' AND done_at >= :since AND done_at < :until"
)


@dataclass(frozen=True)
class Period:
    """The days of a report, both included, and the day on which it is made."""

    first: date
    last: date
    today: date

    @property
    def bounds(self) -> dict[str, datetime]:
        """`since` (included) and `until` (not)."""
        return {
            "since": datetime.combine(self.first, time(), UTC),
            "until": datetime.combine(self.last + timedelta(days=1), time(), UTC),
        }


@dataclass
class _Sum:
    counts: Counter[str] = field(default_factory=Counter[str])
    oldest: date | None = None


async def class_lines(
    session: AsyncSession, period: Period, schedules: dict[str, RetentionSchedule]
) -> list[ClassLine]:
    """One line for each market and class that has, or in the period had, records."""
    disposed = await _disposed(session, period)
    lines: list[ClassLine] = []
    for name, source in SOURCES.items():
        sums = await _sums(session, period, name, source, schedules)
        for market in sorted({*sums, *(m for record_class, m in disposed if record_class == name)}):
            lines.append(_line(name, market, sums[market], disposed[name, market], period, schedules))
    return lines


async def _sums(
    session: AsyncSession, period: Period, name: str, source: str, schedules: dict[str, RetentionSchedule]
) -> defaultdict[str, _Sum]:
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for row in await session.execute(text(_GROUPED.format(source=source)), period.bounds):
        of = sums[row.market]
        held = row.expire_on == HELD_DAY
        of.counts.update(live=row.rows, created=row.created)
        if held:
            of.counts["held"] += row.rows
            continue
        maximum = in_force(schedules, row.market).rule(name).maximum_days
        expires: date = row.expire_on or (row.counted_on or date.max - GRACE - timedelta(maximum)) + timedelta(maximum)
        of.counts["due"] += row.rows if expires <= period.today else 0
        of.counts["overdue"] += row.rows if expires + GRACE < period.today else 0
        of.oldest = min(of.oldest or row.made_on, row.made_on)
    return sums


async def _disposed(session: AsyncSession, period: Period) -> Counter[tuple[str, str]]:
    """Rows destroyed in the period by class and market, from the steps that destroyed them."""
    disposed: Counter[tuple[str, str]] = Counter()
    for row in await session.execute(_DROPPED, period.bounds):
        counts: dict[str, Any] = row.counts
        for name, rows in counts.items():
            if name.startswith("market_"):
                disposed[row.record_class, name.removeprefix("market_")] += int(rows)
    return disposed


def _line(
    name: str, market: str, of: _Sum, disposed: int, period: Period, schedules: dict[str, RetentionSchedule]
) -> ClassLine:
    schedule = in_force(schedules, market)
    rule = schedule.rule(name)
    overdue = of.counts["overdue"]
    reason = WAITS if overdue else ""
    # A trip's days are counted from its latest end, one day after its making; the grace of the run comes on top.
    limit = timedelta(days=rule.maximum_days + 1) + GRACE
    by_age = name in ("text", "verdict", "location", "key")
    return ClassLine(
        market=market,
        record_class=name,
        schedule_version=schedule.version,
        minimum_days=rule.minimum_days,
        maximum_days=rule.maximum_days,
        created=of.counts["created"],
        live=of.counts["live"],
        due=of.counts["due"],
        disposed=disposed,
        held=of.counts["held"],
        overdue=overdue,
        overdue_reason=reason,
        oldest=of.oldest,
        oldest_within_maximum=(of.oldest is None or of.oldest + limit >= period.today) if by_age else not overdue,
    )
