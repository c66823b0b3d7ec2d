"""What stands now: the schedules in force and the holds, read from their tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from retention.holds import LegalHold, Scope
from retention.models import HoldRow, RuleRow, ScheduleRow
from retention.schedule import DEFAULT_MARKET, RetentionRule, RetentionSchedule, default_schedule

#: The trips that the holds of a book cover, found in the caller's tables.
HeldTrips = Callable[[AsyncSession, Sequence[LegalHold]], Awaitable[frozenset[UUID]]]


class Standing:
    """Reads schedules and holds. `held_trips_of` knows the caller's tables."""

    def __init__(self, held_trips_of: HeldTrips) -> None:
        self._held_trips_of = held_trips_of

    async def holds(self, session: AsyncSession, *, released: bool = True) -> list[LegalHold]:
        """All holds, newest first; without the released ones on request."""
        query = select(HoldRow).order_by(HoldRow.placed_at.desc(), HoldRow.id)
        if not released:
            query = query.where(HoldRow.released_at.is_(None))
        return [hold_of(row) for row in await session.scalars(query)]

    async def held_trips(self, session: AsyncSession, holds: Sequence[LegalHold]) -> frozenset[UUID]:
        """Every trip that these holds cover."""
        return await self._held_trips_of(session, holds) if holds else frozenset()

    async def schedules(self, session: AsyncSession) -> dict[str, RetentionSchedule]:
        """The newest version of each market; there is always one for `default`."""
        newest = select(ScheduleRow).ext(distinct_on(ScheduleRow.market))
        newest = newest.order_by(ScheduleRow.market, ScheduleRow.version.desc())
        found = {DEFAULT_MARKET: default_schedule()}
        for row in (await session.scalars(newest)).all():
            found[row.market] = await self._schedule(session, row)
        return found

    async def schedule(self, session: AsyncSession, market: str) -> RetentionSchedule:
        """The schedule of a market, or the default one."""
        return in_force(await self.schedules(session), market)

    async def rules(self, session: AsyncSession, record_class: str) -> Callable[[str], RetentionRule]:
        """The rules for one class: market -> rule."""
        schedules = await self.schedules(session)
        return lambda market: in_force(schedules, market).rule(record_class)

    async def _schedule(self, session: AsyncSession, row: ScheduleRow) -> RetentionSchedule:
        rules = await session.scalars(
            select(RuleRow).where(RuleRow.schedule_id == row.id).order_by(RuleRow.record_class)
        )
        return RetentionSchedule(row.market, row.version, tuple(rule_of(rule) for rule in rules), row.saved_at)


def in_force(schedules: dict[str, RetentionSchedule], market: str) -> RetentionSchedule:
    """A market's own schedule, else the default one."""
    return schedules.get(market) or schedules[DEFAULT_MARKET]


def rule_of(row: RuleRow) -> RetentionRule:
    """The rule in a row."""
    return RetentionRule(row.record_class, row.minimum_days, row.maximum_days, row.basis, row.regulator_reference)


def hold_of(row: HoldRow) -> LegalHold:
    """The hold in a row."""
    scope: Scope = row.scope  # type: ignore[assignment]
    return LegalHold(row.id, scope, row.target, row.basis, row.placed_at, row.review_on, row.released_at)
