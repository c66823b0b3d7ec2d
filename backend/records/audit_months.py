"""The class `audit`: what the log says of people, a month at a time. The public half and the tree stay for ever.

DANGER: a destroyed audit key never comes back; the entries of its month read "erased".

While any legal hold is in force nothing of this class goes: entries are sealed under keys of persons and trips that
only a blind index names, so which of them a hold covers cannot be told from outside. What cannot be told stays.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog
from backend.audit.erasure import blank_erased, dispose_month
from backend.clock import Clock
from backend.keys import Keyring
from retention.classes import Progress
from retention.holds import Covered
from retention.planning import Candidate
from retention.schedule import DEFAULT_MARKET
from retention.standing import Standing

_MONTHS = text(
    """
    SELECT period, CAST(period + interval '1 month' AS date) AS ended_on, count(*) AS rows
    FROM audit_key WHERE wrapped IS NOT NULL GROUP BY period ORDER BY period
    """
)


@dataclass(frozen=True)
class AuditMonths:
    """Audit keys by the month of their entries. Days are counted from the end of the month."""

    standing: Standing
    keyring: Keyring
    audit: AuditLog
    clock: Clock
    name: str = "audit"
    in_place: bool = True

    async def due_days(self, session: AsyncSession, up_to: date) -> list[date]:
        return [up_to] if await self._due(session, up_to) else []

    async def candidates(self, session: AsyncSession, day: date) -> list[Candidate]:
        held = bool(await self.standing.holds(session, released=False))
        return [
            Candidate(Covered(_name(month), None if held else DEFAULT_MARKET), ended_on, rows)
            for month, ended_on, rows in await self._due(session, day)
        ]

    async def re_date(self, session: AsyncSession, day: date, trips: Collection[UUID], to_day: date) -> int:
        return 0

    async def detach(self, session: AsyncSession, day: date) -> int:
        return 0

    async def drop(self, session: AsyncSession, day: date, trips: Collection[UUID]) -> int:
        destroyed = 0
        for month, _, _ in await self._due(session, day):
            if _name(month) in trips:
                destroyed += await dispose_month(
                    session, self.audit, self.keyring, self.clock, month, basis="retention_schedule"
                )
        return destroyed

    async def finish(self, session: AsyncSession, day: date, kept: Collection[UUID]) -> Progress:
        blanked = await blank_erased(session)
        return Progress({"entries_blanked": blanked}, more=blanked > 0)

    async def _due(self, session: AsyncSession, day: date) -> list[tuple[date, date, int]]:
        """Months with living keys whose time has passed by `day`: first day, end, how many keys."""
        rule = (await self.standing.schedule(session, DEFAULT_MARKET)).rule(self.name)
        if day.year >= 9000:
            return []
        found = await session.execute(_MONTHS)
        kept = timedelta(days=rule.maximum_days)
        return [(row.period, row.ended_on, row.rows) for row in found if row.ended_on + kept <= day]


def _name(month: date) -> UUID:
    """Stands for a month where a run speaks of trips."""
    return uuid5(NAMESPACE_OID, f"audit {month}")
