"""Starting a run: what is due on a date, whether it may go ahead by itself, and which steps it takes."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from retention.disposition import STEPS, Disposer
from retention.models import RunRow, StepRow
from retention.planning import HISTORY_DAYS, DayPlan, Forecast, forecast, together

Kind = Literal["daily", "manual", "dry"]
#: A run that the forecast does not approve needs so many officers.
APPROVERS = 2
UNFINISHED = ("awaiting_approval", "running", "quarantine")


async def start_run(disposer: Disposer, session: AsyncSession, *, kind: Kind, today: date, by: UUID | None) -> RunRow:
    """Plan what is due on `today` in the caller's transaction. A dry run is only its counts and has no steps."""
    plans = await _plans(disposer, session, today)
    counts: Counter[str] = Counter()
    for plan in plans:
        counts.update({name: plan.counts()[name] for name in ("due", "held", "early", "held_trips")})
        counts[f"{plan.record_class}_due"] += plan.rows["dispose"]
    expected = await _expected(session, plans, today)
    status = "done" if kind == "dry" else "running" if expected.approved else "awaiting_approval"
    now = disposer.clock.now()
    run = RunRow(
        id=uuid_utils.compat.uuid7(),
        kind=kind,
        for_date=today,
        status=status,
        started_at=now,
        started_by=by,
        finished_at=now if kind == "dry" else None,
        counts={**counts, "days": len(plans)},
        expected=expected.expected,
        approvals=[],
        next_due=now if status == "running" else None,
        sends=0,
    )
    session.add(run)
    await session.flush()
    if kind != "dry":
        session.add_all(_steps(run.id, plans))
        await session.flush()
    return run


async def _plans(disposer: Disposer, session: AsyncSession, today: date) -> list[DayPlan]:
    query = select(StepRow.record_class, StepRow.day).join(RunRow, RunRow.id == StepRow.run_id)
    rows = await session.execute(query.where(RunRow.status.in_(UNFINISHED)).distinct())
    taken = {(row.record_class, row.day) for row in rows}
    plans: list[DayPlan] = []
    for name, records in disposer.classes.items():
        for day in await records.due_days(session, today):
            if (name, day) not in taken:
                plans.append(await disposer.plan(session, name, day, today))
    return plans


def _steps(run_id: UUID, plans: list[DayPlan]) -> list[StepRow]:
    return [
        StepRow(
            run_id=run_id, record_class=plan.record_class, day=plan.day, place=place, name=name, counts={},
            not_before=None, done_at=None,
        )
        for plan in plans
        for place, name in enumerate(STEPS)
    ]  # fmt: skip


async def _expected(session: AsyncSession, plans: list[DayPlan], today: date) -> Forecast:
    """The forecasts of the classes together: each has its own usual day."""
    history = await _history(session, today)
    parts: list[Forecast] = []
    for name in sorted({plan.record_class for plan in plans}):
        days = [plan for plan in plans if plan.record_class == name]
        parts.append(forecast(sum(plan.rows["dispose"] for plan in days), len(days), history.get(name, [])))
    return together(parts)


async def _history(session: AsyncSession, today: date) -> dict[str, list[int]]:
    """Rows destroyed for each class and day of expiry in the last four weeks, oldest first."""
    disposed = func.coalesce(StepRow.counts["disposed"].as_integer(), 0).label("rows")
    found = await session.execute(
        select(StepRow.record_class, disposed)
        .where(StepRow.name == "drop", StepRow.done_at.is_not(None))
        .where(StepRow.day >= today - timedelta(days=HISTORY_DAYS), StepRow.day < today)
        .order_by(StepRow.day, StepRow.record_class)
    )
    history: dict[str, list[int]] = {}
    for row in found:
        history.setdefault(row.record_class, []).append(row.rows)
    return history


async def approve_run(disposer: Disposer, session: AsyncSession, run_id: UUID, account_id: UUID) -> RunRow | None:
    """One officer's approval. The second, by somebody else, lets the run begin. None: no run waits under this id."""
    run = await session.get(RunRow, run_id, with_for_update=True)
    if run is None or run.status != "awaiting_approval":
        return None
    run.approvals = sorted({*run.approvals, str(account_id)})
    if len(run.approvals) >= APPROVERS:
        run.status, run.next_due = "running", disposer.clock.now()
    return run
