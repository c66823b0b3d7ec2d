"""Reads of push: which chats have moved, what a claimed push may say and to whom, and counts for whoever watches."""

from __future__ import annotations

from typing import Any

# A trip that was never ended is looked at for 48 hours, one that has ended as long as people may write.
_CHATS = """
SELECT c.trip_id, c.seq_staff, c.expire_on FROM trip_chat c
WHERE coalesce(c.closes_at, c.push_until) > $1
  AND EXISTS (SELECT FROM push_device d WHERE d.user_id IN (c.driver_id, c.customer_id))
"""
_COUNTS = """
SELECT (SELECT count(*) FROM push WHERE status IN ('due', 'sending', 'retry')) AS waiting,
       (SELECT count(*) FROM push WHERE status = 'dead') AS dead
"""


async def access_chats(pool: Any, now: Any) -> list[Any]:
    """(trip, last staff number, expiry) of every open chat in which somebody has a device."""
    rows: list[Any] = await pool.fetch(_CHATS, now)
    return rows


async def access_counts(pool: Any) -> dict[str, int]:
    """How many pushes wait, and how many never got out (of the last seven days)."""
    return dict(await pool.fetchrow(_COUNTS))
