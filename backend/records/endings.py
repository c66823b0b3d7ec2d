"""What ends with a trip's text: its keys, its marks, where it went.

DANGER: destroying a key makes words unreadable for ever, also in every backup that holds no older copy of the keys.
It only runs as the last step of a disposition, on trips that no hold covers at that moment.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.keys import Keyring
from retention.classes import Progress

#: Trips that one transaction ends.
BATCH = 500

_LEFT = text(
    """
    SELECT t.id FROM trip t
    WHERE t.text_expire_on = :day AND NOT t.id = ANY(:kept)
      AND (t.pickup IS NOT NULL OR t.destination IS NOT NULL OR t.location IS NOT NULL
           OR EXISTS (SELECT FROM keys.data_key k WHERE k.trip_id = t.id AND k.wrapped IS NOT NULL)
           OR EXISTS (SELECT FROM trip_receipt r WHERE r.trip_id = t.id))
    ORDER BY t.id LIMIT :batch
    """
)
_MARKS = text(
    "WITH gone AS (DELETE FROM trip_receipt WHERE trip_id = ANY(:trips) RETURNING 1) SELECT count(*) FROM gone"
)
_PLACES = text("UPDATE trip SET pickup = NULL, destination = NULL, location = NULL WHERE id = ANY(:trips)")
_EMPTY_KEKS = text(
    """
    SELECT k.market FROM keys.key_encryption_key k
    WHERE k.record_class = 'text' AND k.day = :day AND k.wrapped IS NOT NULL
      AND NOT EXISTS (SELECT FROM keys.data_key d WHERE d.kek_id = k.id AND d.wrapped IS NOT NULL)
    """
)


class TextEndings:
    """Ends the trips of a day, a batch at a time."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def __call__(self, session: AsyncSession, day: date, kept: Collection[UUID]) -> Progress:
        values = {"day": day, "kept": list(kept), "batch": BATCH}
        trips = list(await session.scalars(_LEFT, values))
        if not trips:
            return Progress({"key_encryption_keys": await self._empty_keks(session, day)})
        keys = 0
        for trip_id in trips:
            keys += await self._keyring.destroy(session, trip_id)
        marks = (await session.execute(_MARKS, {"trips": trips})).scalar_one()
        await session.execute(_PLACES, {"trips": trips})
        return Progress({"keys": keys, "marks": int(marks), "trips": len(trips)}, more=True)

    async def _empty_keks(self, session: AsyncSession, day: date) -> int:
        """A key that wraps nothing living any more goes too; one that still wraps a held trip's stays."""
        markets = list(await session.scalars(_EMPTY_KEKS, {"day": day}))
        for market in markets:
            await self._keyring.destroy_day(session, market=market, record_class="text", day=day)
        return len(markets)
