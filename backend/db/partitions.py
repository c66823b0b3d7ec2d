"""Daily partitions by expiry date. Made with the trip, so that a missing one never stops a chat."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def ensure_partition(session: AsyncSession, parent: str, day: date) -> None:
    """Make the partition of `parent` for `day` if it is missing, in the caller's transaction.

    `ensure_partition` in the database attaches a table made beforehand: that takes SHARE UPDATE EXCLUSIVE on the
    parent, which lets sends go on, where `CREATE TABLE ... PARTITION OF` would lock it whole.
    """
    await session.execute(text("SELECT ensure_partition(:parent, :day)"), {"parent": parent, "day": day})
