"""Classes without partitions: few rows, each with a day from which its time is counted. Held ones stay in place.

DANGER: `drop` destroys rows for ever. It is only called by `disposition`, after the holds were read again in the same
transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from retention.classes import Progress
from retention.partitions import Describe
from retention.planning import Candidate
from retention.standing import Standing, in_force

#: Destroys the rows with these ids and what hangs on them; returns how many rows in all.
DisposeRows = Callable[[AsyncSession, Sequence[UUID]], Awaitable[int]]


@dataclass(frozen=True)
class RowClass:
    """A class in a table whose ended rows `ended` selects: `(id, trip_id, market, ended_on)` up to `:latest`.

    A run takes everything that is due by its date as one day.
    """

    name: str
    ended: str
    standing: Standing
    describe: Describe
    dispose_rows: DisposeRows
    in_place: bool = True

    async def due_days(self, session: AsyncSession, up_to: date) -> list[date]:
        return [up_to] if await self._due(session, up_to) else []

    async def candidates(self, session: AsyncSession, day: date) -> list[Candidate]:
        due = await self._due(session, day)
        ended: dict[UUID, date] = {}
        for _, trip_id, ended_on in due:
            ended[trip_id] = max(ended_on, ended.get(trip_id, ended_on))
        described = await self.describe(session, Counter(trip_id for _, trip_id, _ in due))
        return [
            candidate
            if candidate.counted_from is None
            else replace(candidate, counted_from=ended[candidate.covered.trip_id])
            for candidate in described
        ]

    async def re_date(self, session: AsyncSession, day: date, trips: Collection[UUID], to_day: date) -> int:
        return 0

    async def detach(self, session: AsyncSession, day: date) -> int:
        return 0

    async def drop(self, session: AsyncSession, day: date, trips: Collection[UUID]) -> int:
        ids = [row_id for row_id, trip_id, _ in await self._due(session, day) if trip_id in trips]
        return await self.dispose_rows(session, ids) if ids else 0

    async def finish(self, session: AsyncSession, day: date, kept: Collection[UUID]) -> Progress:
        return Progress({})

    async def _due(self, session: AsyncSession, day: date) -> list[tuple[UUID, UUID, date]]:
        """Row, trip and end of everything whose maximum has passed by `day`; none on the day of what is held."""
        schedules = await self.standing.schedules(session)
        shortest = min(schedule.rule(self.name).maximum_days for schedule in schedules.values())
        if day.year >= 9000:
            return []
        found = await session.execute(text(self.ended), {"latest": day - timedelta(days=shortest)})
        return [
            (row.id, row.trip_id, row.ended_on)
            for row in found
            if row.ended_on + timedelta(days=in_force(schedules, row.market).rule(self.name).maximum_days) <= day
        ]
