"""Reads of push: which chats have moved, what a claimed push may say and to whom, and counts for whoever watches."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

# A trip that was never ended is looked at for 48 hours, one that has ended as long as people may write. `bound` is the
# oldest transaction that runs at a look: whatever it does not see yet carries that number or a later one in `xmin`, so
# that the next look gets the chats that were written since, and perhaps some twice, but misses none.
_CHATS = """
SELECT s.bound, c.trip_id, c.seq_staff, c.expire_on
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text AS bound) s
LEFT JOIN trip_chat c ON coalesce(c.closes_at, c.push_until) > $1
  AND ($2::text IS NULL OR age(c.xmin) <= age($2::text::xid))
  AND EXISTS (SELECT FROM push_device)
"""
_COUNTS = """
SELECT (SELECT count(*) FROM push WHERE status IN ('due', 'sending', 'retry')) AS waiting,
       (SELECT count(*) FROM push WHERE status = 'dead') AS dead
"""


class Look(NamedTuple):
    """(trip, last staff number, expiry) of open chats, and the bound from which the next look goes on."""

    bound: str
    chats: list[tuple[UUID, int, date]]


async def access_chats(pool: Any, now: datetime, bound: str | None) -> Look:
    """Open chats that were written since the look that gave `bound`; with None all; none while nobody has a device."""
    rows = await pool.fetch(_CHATS, now, bound)
    return Look(rows[0][0], [row[1:] for row in rows if row[1] is not None])


async def access_counts(pool: Any) -> dict[str, int]:
    """How many pushes wait, and how many never got out (of the last seven days)."""
    return dict(await pool.fetchrow(_COUNTS))
