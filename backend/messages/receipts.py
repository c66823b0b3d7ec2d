"""Receipts: watermarks of what somebody has stored and read. Monotonic; the first row that covers a number dates it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import ProblemError
from backend.trips.access import TripView

#: Of everybody who ever took part: what a driver had read stays read when another one takes over.
_OF_TRIP = """
SELECT p.role, r.kind, r.up_to_seq, r.at, p.from_seq
FROM trip_receipt r JOIN trip_participant p ON p.trip_id = r.trip_id AND p.user_id = r.user_id
WHERE r.trip_id = {trip} ORDER BY r.up_to_seq
"""
_ALL = _OF_TRIP.format(trip="$1")
_ALL_IN_SESSION = text(_OF_TRIP.format(trip=":trip_id"))
#: Only forward: a late or repeated mark changes nothing, and the row that first covered a number stays the first.
_MARK = """
WITH before AS (SELECT coalesce(max(up_to_seq), 0) AS seq FROM trip_receipt
                WHERE trip_id = $1 AND user_id = $2 AND kind = $3)
INSERT INTO trip_receipt (trip_id, user_id, kind, up_to_seq, at)
SELECT $1, $2, $3, $4, $5 FROM before WHERE before.seq < $4
ON CONFLICT DO NOTHING RETURNING (SELECT seq FROM before)
"""

NEVER: tuple[datetime | None, datetime | None] = (None, None)


class Marks:
    """All receipts of a trip, ready to be asked about any message."""

    def __init__(self, rows: Iterable[tuple[str, str, int, datetime, int]] = ()) -> None:
        self._seqs: dict[tuple[str, str], list[int]] = {}
        self._rows: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
        for audience, kind, up_to_seq, at, from_seq in rows:
            self._seqs.setdefault((audience, kind), []).append(up_to_seq)
            self._rows.setdefault((audience, kind), []).append((at, from_seq))
        for of_kind in self._rows.values():
            _date_by_first(of_kind)

    def _first(self, audience: str, kind: str, seq: int) -> datetime | None:
        seqs = self._seqs.get((audience, kind))
        if seqs is None:
            return None
        found = bisect_left(seqs, seq)
        if found == len(seqs):
            return None
        at, from_seq = self._rows[(audience, kind)][found]
        # Whoever took over at `from_seq` never saw what was numbered before, however far their mark goes.
        return None if seq <= from_seq < seqs[found] else at

    def of(self, audience: str | None, seq: int | None) -> tuple[datetime | None, datetime | None]:
        """(read_at, delivered_at) of the message that `audience` has under `seq`; reading implies delivery."""
        if audience is None or seq is None or not self._seqs:
            return NEVER
        read_at, delivered_at = self._first(audience, "read", seq), self._first(audience, "delivered", seq)
        if read_at is not None and (delivered_at is None or read_at < delivered_at):
            delivered_at = read_at
        return read_at, delivered_at


def _date_by_first(rows: list[tuple[datetime, int]]) -> None:
    """Two phones that mark at once may leave a lower number with a later moment; the earlier, higher one covers it."""
    for place in range(len(rows) - 2, -1, -1):
        (at, from_seq), (after, after_from) = rows[place], rows[place + 1]
        if after < at and after_from == from_seq:
            rows[place] = (after, from_seq)


async def access_marks(pool: Any, view: TripView) -> Marks:
    """The receipts of a trip."""
    return Marks(await pool.fetch(_ALL, view.trip_id))


async def access_marks_in(session: AsyncSession, view: TripView) -> Marks:
    """The same in the caller's transaction."""
    rows = await session.execute(_ALL_IN_SESSION, {"trip_id": view.trip_id})
    return Marks((role, kind, seq, at, start) for role, kind, seq, at, start in rows.all())


async def access_seq_of(pool: Any, view: TripView, audience: str, message_id: UUID) -> int:
    """The number of a message for an audience. Raises `message_not_found` when it is not theirs to see."""
    column = {"driver": "seq_driver", "customer": "seq_customer"}[audience]
    seq = await pool.fetchval(
        f"SELECT {column} FROM trip_message WHERE id = $1 AND expire_on = $2 AND trip_id = $3",  # noqa: S608
        message_id,
        view.text_expire_on,
        view.trip_id,
    )
    if seq is None or seq <= view.from_seq(audience):
        raise ProblemError("message_not_found")
    return int(seq)


async def mark(pool: Any, trip_id: UUID, user_id: UUID, kind: str, up_to_seq: int, at: datetime) -> int | None:
    """Move a watermark forward; where it was before, None when it is there already. One statement, one commit."""
    before: int | None = await pool.fetchval(_MARK, trip_id, user_id, kind, up_to_seq, at)
    return before


async def access_marked_at(pool: Any, trip_id: UUID, user_id: UUID, kind: str, seq: int) -> datetime | None:
    """When a watermark first covered `seq`; None when it does not."""
    at: datetime | None = await pool.fetchval(
        "SELECT min(at) FROM trip_receipt WHERE trip_id = $1 AND user_id = $2 AND kind = $3 AND up_to_seq >= $4",
        trip_id,
        user_id,
        kind,
        seq,
    )
    return at
