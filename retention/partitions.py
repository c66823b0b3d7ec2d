"""Classes whose records lie in daily partitions by `expire_on`: a day goes by DETACH and DROP, not row by row.

DANGER: `drop` destroys a day of records for ever. It is only called by `disposition`, after the holds were read again
in the same transaction.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from retention.classes import HELD_DAY, Progress
from retention.planning import Candidate

#: Trips with the count of their rows on a day -> candidates with what is known of each trip.
Describe = Callable[[AsyncSession, Counter[UUID]], Awaitable[list[Candidate]]]
#: The trips that were re-dated carry their expiry themselves: (session, trips, new day).
ReDateTrips = Callable[[AsyncSession, Collection[UUID], date], Awaitable[None]]
#: What else of a day's trips has to go: (session, day, trips that stay) -> progress.
Finish = Callable[[AsyncSession, date, Collection[UUID]], Awaitable[Progress]]

_TABLE = re.compile(r"[a-z_]{1,40}")
_CHILDREN = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname ~ :shape"
)
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
_ATTACHED = text("SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(:name))")
_COLUMNS = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
    " ORDER BY attnum"
)


async def _nothing_else(session: AsyncSession, day: date, kept: Collection[UUID]) -> Progress:
    return Progress({})


@dataclass(frozen=True)
class PartitionedClass:
    """A class in one or more tables partitioned by day, each with a `trip_id`."""

    name: str
    tables: tuple[str, ...]
    describe: Describe
    re_date_trips: ReDateTrips
    finish_trips: Finish = _nothing_else
    in_place: bool = False

    def __post_init__(self) -> None:
        if not all(_TABLE.fullmatch(table) for table in self.tables):
            raise ValueError(f"{self.tables} are no names of tables")

    async def due_days(self, session: AsyncSession, up_to: date) -> list[date]:
        days: set[date] = set()
        for table in self.tables:
            found = await session.execute(_CHILDREN, {"shape": f"^{table}_[0-9]{{8}}$"})
            days |= {datetime.strptime(name[-8:], "%Y%m%d").date() for (name,) in found}  # noqa: DTZ007 (a day has no zone)
        return sorted(day for day in days if day <= up_to)

    async def candidates(self, session: AsyncSession, day: date) -> list[Candidate]:
        rows: Counter[UUID] = Counter()
        for table in self.tables:
            child = _child(table, day)
            if await _is(session, _EXISTS, child):
                found = await session.execute(text(f"SELECT trip_id, count(*) AS rows FROM {child} GROUP BY trip_id"))  # noqa: S608
                rows.update({row.trip_id: row.rows for row in found})
        return await self.describe(session, rows)

    async def re_date(self, session: AsyncSession, day: date, trips: Collection[UUID], to_day: date) -> int:
        if not trips:
            return 0
        moved = 0
        for table in self.tables:
            if not await _is(session, _EXISTS, _child(table, day)):
                continue
            if to_day != HELD_DAY:
                await session.execute(text("SELECT ensure_partition(:parent, :day)"), {"parent": table, "day": to_day})
            done: Any = await session.execute(
                await _move(session, table, _child(table, day)), {"trips": list(trips), "to_day": to_day}
            )
            moved += int(done.rowcount)
        await self.re_date_trips(session, trips, to_day)
        return moved

    async def detach(self, session: AsyncSession, day: date) -> int:
        """DETACH takes the parent whole for a moment: it gives up soon rather than making senders queue behind it."""
        detached = 0
        await session.execute(text("SET LOCAL lock_timeout = '400ms'"))
        for table in self.tables:
            if await _is(session, _ATTACHED, _child(table, day)):
                await session.execute(text(f"ALTER TABLE {table} DETACH PARTITION {_child(table, day)}"))
                detached += 1
        await session.execute(text("SET LOCAL lock_timeout = 0"))
        return detached

    async def drop(self, session: AsyncSession, day: date, trips: Collection[UUID]) -> int:
        dropped = 0
        for table in self.tables:
            child = _child(table, day)
            if not await _is(session, _EXISTS, child):
                continue
            if await _is(session, _ATTACHED, child):
                raise RuntimeError(f"{child} is still attached; nothing is dropped in readers' sight")
            dropped += int((await session.execute(text(f"SELECT count(*) FROM {child}"))).scalar_one())  # noqa: S608
            await session.execute(text(f"DROP TABLE {child}"))
        return dropped

    async def finish(self, session: AsyncSession, day: date, kept: Collection[UUID]) -> Progress:
        return await self.finish_trips(session, day, kept)


def _child(table: str, day: date) -> str:
    return f"{table}_held" if day == HELD_DAY else f"{table}_{day:%Y%m%d}"


async def _is(session: AsyncSession, question: Any, name: str) -> bool:
    return bool((await session.execute(question, {"name": name})).scalar_one())


async def _move(session: AsyncSession, parent: str, child: str) -> Any:
    """The statement that moves rows of some trips out of a partition and in again under another day."""
    columns = [name for (name,) in await session.execute(_COLUMNS, {"name": parent})]
    values = ", ".join("CAST(:to_day AS date)" if name == "expire_on" else name for name in columns)
    return text(
        f"WITH moved AS (DELETE FROM {child} WHERE trip_id = ANY(:trips) RETURNING *)"  # noqa: S608 (names are ours)
        f" INSERT INTO {parent} ({', '.join(columns)}) SELECT {values} FROM moved"
    )
