"""What `disposition` has to know of a class of records: where they are and how they end. Handed in by the caller."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from retention.planning import Candidate

#: The day of expiry of what is held: no calendar reaches it. (Not `date.max`: asyncpg sends that as "infinity".)
HELD_DAY = date(9000, 1, 1)


class Progress(NamedTuple):
    """What a part of a step did. `more`: call again, there is another batch."""

    counts: Mapping[str, int]
    more: bool = False


class RecordClass(Protocol):
    """One class. Every method works in the caller's transaction and may be repeated without harm."""

    @property
    def name(self) -> str: ...

    @property
    def in_place(self) -> bool:
        """Whether what must stay is simply left where it is (true), or has to be moved out of the day first."""
        ...

    async def due_days(self, session: AsyncSession, up_to: date) -> list[date]:
        """Days of expiry up to and with `up_to` of which anything is left, in order."""
        ...

    async def candidates(self, session: AsyncSession, day: date) -> list[Candidate]:
        """The trips with records that expire on `day`, attached or already detached."""
        ...

    async def re_date(self, session: AsyncSession, day: date, trips: Collection[UUID], to_day: date) -> int:
        """Move these trips' records from `day` to another day of expiry; returns how many rows."""
        ...

    async def detach(self, session: AsyncSession, day: date) -> int:
        """Take the day out of every reader's sight; returns how many tables. Waits for locks only briefly."""
        ...

    async def drop(self, session: AsyncSession, day: date, trips: Collection[UUID]) -> int:
        """Destroy what is left of the day, in place only that of `trips`; returns how many rows that were."""
        ...

    async def finish(self, session: AsyncSession, day: date, kept: Collection[UUID]) -> Progress:
        """Destroy what belonged to the day's trips elsewhere (keys, marks), never of those in `kept`."""
        ...
