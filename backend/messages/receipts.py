"""Receipts: watermarks of what somebody has stored and read. Monotonic; the first row that covers a number dates it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from backend.errors import ProblemError
from backend.trips.access import TripView

_ALL = "SELECT user_id, kind, up_to_seq, at FROM trip_receipt WHERE trip_id = $1 ORDER BY up_to_seq"
#: Only forward: a late or repeated mark changes nothing, and the row that first covered a number stays the first.
_MARK = """
INSERT INTO trip_receipt (trip_id, user_id, kind, up_to_seq, at)
SELECT $1, $2, $3, $4, $5
WHERE NOT EXISTS (SELECT 1 FROM trip_receipt
                  WHERE trip_id = $1 AND user_id = $2 AND kind = $3 AND up_to_seq >= $4)
ON CONFLICT DO NOTHING RETURNING up_to_seq
"""

NEVER: tuple[datetime | None, datetime | None] = (None, None)


class Marks:
    """All receipts of a trip, ready to be asked about any message."""

    def __init__(self, rows: Iterable[tuple[str, str, int, datetime]] = ()) -> None:
        self._seqs: dict[tuple[str, str], list[int]] = {}
        self._times: dict[tuple[str, str], list[datetime]] = {}
        for audience, kind, up_to_seq, at in rows:
            self._seqs.setdefault((audience, kind), []).append(up_to_seq)
            self._times.setdefault((audience, kind), []).append(at)

    def _first(self, audience: str, kind: str, seq: int) -> datetime | None:
        seqs = self._seqs.get((audience, kind))
        if seqs is None:
            return None
        at = bisect_left(seqs, seq)
        return self._times[(audience, kind)][at] if at < len(seqs) else None

    def of(self, audience: str | None, seq: int | None) -> tuple[datetime | None, datetime | None]:
        """(read_at, delivered_at) of the message that `audience` has under `seq`; reading implies delivery."""
        if audience is None or seq is None or not self._seqs:
            return NEVER
        read_at, delivered_at = self._first(audience, "read", seq), self._first(audience, "delivered", seq)
        if read_at is not None and (delivered_at is None or read_at < delivered_at):
            delivered_at = read_at
        return read_at, delivered_at


async def access_marks(pool: Any, view: TripView) -> Marks:
    """The receipts of a trip's present participants."""
    rows = await pool.fetch(_ALL, view.trip_id)
    return Marks(
        (role, row["kind"], row["up_to_seq"], row["at"])
        for row in rows
        if (role := view.role_of(row["user_id"])) is not None
    )


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


async def mark(pool: Any, trip_id: UUID, user_id: UUID, kind: str, up_to_seq: int, at: datetime) -> bool:
    """Move a watermark forward; False when it was already there. One statement, committed at once."""
    return await pool.fetchval(_MARK, trip_id, user_id, kind, up_to_seq, at) is not None
