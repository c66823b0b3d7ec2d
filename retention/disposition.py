"""Disposition: what is due is taken out of sight, waits an hour, and is destroyed for good.

DANGER: this destroys records. Principle: every step is one transaction that ends with its own mark, so that a run
killed anywhere goes on where it stopped; each step may be done twice; the holds are read again, under a lock, in the
very transaction that destroys; whatever cannot be told for sure stays.

Steps of one class and day: `move_out` (held and early records go to another day) -> `detach` -> an hour's quarantine
-> `drop` -> `finish` (keys, marks; in batches). When all are done the run is certified in the audit log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from retention.classes import HELD_DAY, Progress, RecordClass
from retention.holds import HoldBook
from retention.models import RunRow, StepRow
from retention.planning import DayPlan, decide, plan_day
from retention.standing import Standing

QUARANTINE = timedelta(hours=1)
#: A lock that is not to be had within a step's patience: how often it is tried before the run waits for a sweep.
LOCK_TRIES = 10
LOCK_PAUSE_S = 0.2
RETRY_AFTER = timedelta(minutes=1)
STEPS = ("move_out", "detach", "drop", "finish")
LOCK_NOT_AVAILABLE = "55P03"

Status = Literal["awaiting_approval", "running", "quarantine", "done", "withdrawn"]
Point = Callable[[str], Awaitable[None]]


class Clock(Protocol):
    """Tells the time, UTC."""

    def now(self) -> datetime: ...


class Certify(Protocol):
    """Writes the certificate of a finished run into the audit log, in the run's own transaction."""

    async def __call__(self, session: AsyncSession, run: RunRow, steps: Sequence[StepRow]) -> None: ...


async def _no_point(name: str) -> None:
    return None


@dataclass(frozen=True)
class Disposer:
    """Carries out runs. `sessions` opens a session that rolls back unless it was committed.

    `moved` hears which trips' records went to another day, after the commit. `point` is called with the name of each
    place between two steps; tests raise there.
    """

    sessions: Callable[[], AbstractAsyncContextManager[AsyncSession]]
    classes: Mapping[str, RecordClass]
    clock: Clock
    standing: Standing
    certify: Certify
    moved: Callable[[Collection[UUID]], None] = lambda trips: None
    point: Point = _no_point

    async def plan(self, session: AsyncSession, record_class: str, day: date, today: date) -> DayPlan:
        """The plan for one class and day; changes nothing."""
        now = self.clock.now()
        book = HoldBook(await self.standing.holds(session, released=False), now)
        rules = await self.standing.rules(session, record_class)
        candidates = await self.classes[record_class].candidates(session, day)
        return plan_day(record_class, day, candidates, today=today, rule_of=rules, book=book)

    async def return_released(self, session: AsyncSession, today: date) -> set[UUID]:
        """Give records whose hold was released an ordinary day of expiry again: tomorrow, or their minimum."""
        returned: set[UUID] = set()
        book = HoldBook(await self.standing.holds(session, released=False), self.clock.now())
        for name, records in self.classes.items():
            rules = await self.standing.rules(session, name)
            days: dict[date, set[UUID]] = {}
            for candidate in await records.candidates(session, HELD_DAY):
                fate = decide(candidate, today, rules, book)
                if fate.reason in ("dispose", "minimum"):
                    day = fate.keep_until or today + timedelta(days=1)
                    days.setdefault(day, set()).add(candidate.covered.trip_id)
            for day, trips in days.items():
                await records.re_date(session, HELD_DAY, trips, day)
                returned |= trips
        return returned

    async def advance(self, run_id: UUID) -> Status:
        """Do whatever of a run can be done now; returns how it stands then. Safe to call at any time, by anybody."""
        while True:
            await self.point("advance")
            try:
                status, again = await self._advance_once(run_id)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                return await self._wait_for_lock(run_id)
            if not again:
                return status

    async def _advance_once(self, run_id: UUID) -> tuple[Status, bool]:
        """One step, or one batch of it, in one transaction; says whether there may be more to do now."""
        moved: set[UUID] = set()
        async with self.sessions() as session:
            run = await session.scalar(select(RunRow).where(RunRow.id == run_id).with_for_update(skip_locked=True))
            if run is None:
                return "running", False  # somebody else is at it (or there is no such run)
            if run.status not in ("running", "quarantine"):
                return run.status, False  # type: ignore[return-value]
            steps = await _steps(session, run_id)
            now = self.clock.now()
            step = next_step(steps, now)
            if step is None:
                again = False
                await self._rest(session, run, steps, now)
            else:
                again = True
                run.status, run.sends = "running", 0
                await self.point(f"{step.name}:begun")
                progress = await self._do(session, step, run.for_date, moved)
                _note(step, steps, progress, now)
            await self.point(f"{step.name if step else 'rest'}:before_commit")
            status: Status = run.status  # type: ignore[assignment]
            await session.commit()
        if moved:
            self.moved(moved)
        await self.point(f"{step.name if step else 'rest'}:committed")
        return status, again

    async def _rest(self, session: AsyncSession, run: RunRow, steps: Sequence[StepRow], now: datetime) -> None:
        """Nothing can be done now: wait for the end of a quarantine, or certify and end."""
        waiting = [step.not_before for step in steps if step.done_at is None and step.not_before is not None]
        if waiting:
            run.status, run.next_due = "quarantine", min(waiting)
            return
        run.status, run.next_due, run.finished_at = "done", None, now
        run.counts = _totals(run.counts, steps)
        await self.certify(session, run, steps)

    async def _do(self, session: AsyncSession, step: StepRow, today: date, moved: set[UUID]) -> Progress:
        await session.execute(text("SET LOCAL statement_timeout = '10min'"))
        records = self.classes[step.record_class]
        if step.name == "move_out":
            return Progress(await self._move_out(session, records, step.day, today, moved))
        if step.name == "detach":
            return Progress({"detached": await self._detach(session, records, step.day)})
        # From here on things are destroyed. No hold may come or go until this transaction is over: one that is being
        # placed right now is waited for and then seen.
        await session.execute(text("LOCK TABLE legal_hold IN SHARE MODE"))
        if step.name == "drop":
            kept = await self._move_out(session, records, step.day, today, moved)
            plan = await self.plan(session, step.record_class, step.day, today)
            if (plan.held or plan.early) and not records.in_place:
                raise RuntimeError(f"{step.record_class} of {step.day} still holds what must stay; nothing is dropped")
            markets = {f"market_{market}": count for market, count in plan.by_market.items()}
            return Progress({**kept, **markets, "disposed": await records.drop(session, step.day, plan.dispose)})
        held = await self.standing.held_trips(session, await self.standing.holds(session, released=False))
        return await records.finish(session, step.day, held)

    async def _move_out(
        self, session: AsyncSession, records: RecordClass, day: date, today: date, moved: set[UUID]
    ) -> dict[str, int]:
        plan = await self.plan(session, records.name, day, today)
        held = await records.re_date(session, day, plan.held, HELD_DAY)
        early = 0
        for until, trips in plan.early.items():
            early += await records.re_date(session, day, trips, until)
            moved |= trips
        if records.in_place:
            early, held = plan.counts()["early"], plan.counts()["held"]
            moved.clear()
        else:
            moved |= plan.held
        return {"held": held, "early": early, "held_trips": len(plan.held)}

    async def _detach(self, session: AsyncSession, records: RecordClass, day: date) -> int:
        for attempt in range(LOCK_TRIES):
            try:
                async with session.begin_nested():
                    return await records.detach(session, day)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE or attempt == LOCK_TRIES - 1:
                    raise
            await asyncio.sleep(LOCK_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    async def _wait_for_lock(self, run_id: UUID) -> Status:
        """Somebody reads the table for long: leave the run to a later sweep."""
        async with self.sessions() as session:
            run = await session.get_one(RunRow, run_id, with_for_update=True)
            run.next_due = self.clock.now() + RETRY_AFTER
            await session.commit()
            return run.status  # type: ignore[return-value]


async def _steps(session: AsyncSession, run_id: UUID) -> list[StepRow]:
    order = (StepRow.day, StepRow.record_class, StepRow.place)
    return list(await session.scalars(select(StepRow).where(StepRow.run_id == run_id).order_by(*order)))


def next_step(steps: Sequence[StepRow], now: datetime) -> StepRow | None:
    """The first step that may be done now: the one before it is done, its time has come."""
    blocked: set[tuple[str, date]] = set()
    for step in steps:
        key = (step.record_class, step.day)
        if step.done_at is not None or key in blocked:
            continue
        if step.not_before is None or step.not_before <= now:
            return step
        blocked.add(key)
    return None


def _note(step: StepRow, steps: Sequence[StepRow], progress: Progress, now: datetime) -> None:
    """Add up what a step did; when it is done, say so, and let the quarantine of a detached day begin."""
    step.counts = dict(Counter(step.counts) + Counter(dict(progress.counts)))
    if progress.more:
        return
    step.done_at = now
    if step.name == "detach":
        for later in steps:
            if later.name == "drop" and (later.record_class, later.day) == (step.record_class, step.day):
                later.not_before = now + QUARANTINE


def _totals(planned: Mapping[str, int], steps: Sequence[StepRow]) -> dict[str, int]:
    """The run's counts: what was planned, and what became of it."""
    done: Counter[str] = Counter()
    for step in steps:
        done.update({name: count for name, count in step.counts.items() if not name.startswith("market_")})
    return {**planned, **{name: count for name, count in done.items() if name not in ("detached", "held_trips")}}
