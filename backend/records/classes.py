"""Which tables are which record class, and what else of a trip ends with it. Handed to `retention`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog
from backend.clock import Clock
from backend.keys import Keyring
from backend.records.audit_months import AuditMonths
from backend.records.endings import TextEndings
from backend.trips.service import LATEST_END
from retention.classes import RecordClass
from retention.holds import Covered, LegalHold
from retention.partitions import PartitionedClass, ReDateTrips
from retention.planning import Candidate
from retention.rows import DisposeRows, RowClass
from retention.standing import Standing

#: Trips asked for in one statement.
BATCH = 5_000

_TRIPS = text(
    """
    SELECT t.id, t.market, CAST(t.created_at AT TIME ZONE 'UTC' AS date) AS created_on,
           ARRAY(SELECT user_id FROM trip_participant p WHERE p.trip_id = t.id) AS people,
           ARRAY(SELECT c.id FROM review_case c WHERE c.trip_id = t.id) AS cases
    FROM trip t WHERE t.id = ANY(:trips)
    """
)
_HELD = text(
    """
    SELECT t.id FROM trip t WHERE t.id = ANY(:trip) OR t.market = ANY(:market)
    UNION SELECT p.trip_id FROM trip_participant p WHERE p.user_id = ANY(:person)
    UNION SELECT c.trip_id FROM review_case c WHERE c.id = ANY(:case)
    """
)
_RE_DATE_TEXT = (
    "UPDATE trip SET text_expire_on = :day WHERE id = ANY(:trips)",
    "UPDATE trip_chat SET expire_on = :day WHERE trip_id = ANY(:trips)",
)
_RE_DATE_VERDICT = (
    "UPDATE trip SET verdict_expire_on = :day WHERE id = ANY(:trips)",
    "UPDATE trip_chat SET verdict_expire_on = :day WHERE trip_id = ANY(:trips)",
)


async def describe_trips(session: AsyncSession, rows: Counter[UUID]) -> list[Candidate]:
    """What decides about each trip: its market, its latest end, who took part, its cases."""
    candidates: list[Candidate] = []
    ids = sorted(rows)
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        found = {row.id: row for row in await session.execute(_TRIPS, {"trips": batch})}
        for trip_id in batch:
            row = found.get(trip_id)
            if row is None:
                candidates.append(Candidate(Covered(trip_id), None, rows[trip_id]))
                continue
            covered = Covered(trip_id, row.market, frozenset(row.people), frozenset(row.cases))
            candidates.append(Candidate(covered, row.created_on + LATEST_END, rows[trip_id]))
    return candidates


async def held_trips(session: AsyncSession, holds: Sequence[LegalHold]) -> frozenset[UUID]:
    """Every trip that these holds cover."""
    targets: dict[str, list[object]] = {"trip": [], "person": [], "case": [], "market": []}
    for hold in holds:
        targets[hold.scope].append(hold.target if hold.scope == "market" else UUID(hold.target))
    return frozenset(await session.scalars(_HELD, targets))


def _re_date(statements: tuple[str, ...]) -> ReDateTrips:
    async def re_date(session: AsyncSession, trips: Collection[UUID], day: date) -> None:
        for statement in statements:
            await session.execute(text(statement), {"trips": list(trips), "day": day})

    return re_date


_CASES = """
    SELECT id, trip_id, market, CAST(closed_at AT TIME ZONE 'UTC' AS date) AS ended_on FROM review_case
    WHERE closed_at IS NOT NULL AND closed_at < CAST(:latest AS date) + 1
"""
_INCIDENTS = """
    SELECT id, trip_id, market, CAST(resolved_at AT TIME ZONE 'UTC' AS date) AS ended_on FROM incident
    WHERE resolved_at IS NOT NULL AND resolved_at < CAST(:latest AS date) + 1
"""
#: In this order: what hangs on a row before the row. What refers to it with ON DELETE CASCADE goes by itself.
_CASE_ROWS = (
    "DELETE FROM enforcement WHERE case_id = ANY(:ids)",
    "DELETE FROM case_decision WHERE case_id = ANY(:ids)",
    "DELETE FROM case_signal WHERE case_id = ANY(:ids)",
    "DELETE FROM review_case WHERE id = ANY(:ids)",
)
_INCIDENT_ROWS = (
    "DELETE FROM provider_callback WHERE attempt_id IN (SELECT id FROM attempt WHERE incident_id = ANY(:ids))",
    "DELETE FROM incident WHERE id = ANY(:ids)",
)


def _dispose(statements: tuple[str, ...]) -> DisposeRows:
    async def dispose(session: AsyncSession, ids: Sequence[UUID]) -> int:
        """How many rows of the class itself went; what hung on them is not counted, as the plan does not."""
        for statement in statements:
            await session.execute(text(statement), {"ids": list(ids)})
        return len(ids)

    return dispose


def record_classes(keyring: Keyring, standing: Standing, audit: AuditLog, clock: Clock) -> dict[str, RecordClass]:
    """The classes that a disposition run takes care of."""
    classes: tuple[RecordClass, ...] = (
        PartitionedClass(
            name="text",
            tables=("trip_message", "trip_event"),
            describe=describe_trips,
            re_date_trips=_re_date(_RE_DATE_TEXT),
            finish_trips=TextEndings(keyring),
        ),
        PartitionedClass(
            name="verdict", tables=("trip_verdict",), describe=describe_trips, re_date_trips=_re_date(_RE_DATE_VERDICT)
        ),
        RowClass("case", _CASES, standing, describe_trips, _dispose(_CASE_ROWS)),
        RowClass("incident", _INCIDENTS, standing, describe_trips, _dispose(_INCIDENT_ROWS)),
        AuditMonths(standing, keyring, audit, clock),
    )
    return {records.name: records for records in classes}
