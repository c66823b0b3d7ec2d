"""How long each record class of a market is kept, for the expiries that a new trip carries."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from backend.records.classes import held_trips
from retention.schedule import keep_days as days_of
from retention.standing import Standing


async def keep_days(session: AsyncSession, market: str) -> Mapping[str, int]:
    """Days by record class (`text`, `media`, `verdict`, ...) for a market, from the schedule in force."""
    return days_of(await Standing(held_trips).schedule(session, market))
