"""The keys of the chat: made with the trip, opened for the sender, destroyed to erase.

DANGER: `destroy` and `destroy_day` make words unreadable for ever. They only ever run on a decision that is in the
audit log: an erasure or a disposition.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.clock import Clock
from backend.db import Database
from backend.keys.cache import KeyCache
from backend.keys.data_key import DataKey, KeyDestroyed
from backend.keys.endings import at_end
from backend.keys.root import KEY_BYTES, KeyProvider
from backend.keys.wrapping import KekStore, Scope

#: Opened data keys that a process keeps (3 kB each), and for how long it may miss that one was destroyed elsewhere.
CACHE_SIZE = 20_000
CACHE_LIFE_S = 600.0

_Owner = tuple[UUID, UUID]

_JOIN = """SELECT d.trip_id, d.sender_id, d.wrapped, d.kek_id, k.wrapped AS kek_wrapped, k.market, k.record_class, k.day
FROM keys.data_key d JOIN keys.key_encryption_key k ON k.id = d.kek_id WHERE d.trip_id = """
_ONE = _JOIN + "$1 AND d.sender_id = $2"
_ALL = _JOIN + "$1"
_ONE_IN_SESSION = text(_JOIN + ":trip_id AND d.sender_id = :sender_id")
_MAKE = text(
    """INSERT INTO keys.data_key (trip_id, sender_id, kek_id, wrapped, created_at)
VALUES (:trip_id, :sender_id, :kek_id, :wrapped, :now) ON CONFLICT (trip_id, sender_id) DO NOTHING"""
)
_DESTROY = text(
    """UPDATE keys.data_key SET wrapped = NULL, destroyed_at = :now
WHERE trip_id = :trip_id AND (CAST(:sender_id AS uuid) IS NULL OR sender_id = :sender_id) AND wrapped IS NOT NULL"""
)
_DESTROY_DAY = text(
    """UPDATE keys.key_encryption_key SET wrapped = NULL, destroyed_at = :now
WHERE market = :market AND record_class = :record_class AND day = :day AND wrapped IS NOT NULL RETURNING id"""
)
_CLEAR_DAY = text("DELETE FROM keys.data_key WHERE kek_id = :kek_id")


def _aad(trip_id: UUID, sender_id: UUID) -> bytes:
    return b"data-key" + trip_id.bytes + sender_id.bytes


class Keyring:
    """All keys of one process. Safe to share between tasks; `db` has to be open."""

    def __init__(self, db: Database, provider: KeyProvider, clock: Clock) -> None:
        self._db, self._provider, self._clock = db, provider, clock
        self.keks = KekStore(db, provider, clock)
        self._kept: KeyCache[_Owner, DataKey] = KeyCache(CACHE_SIZE, CACHE_LIFE_S)
        self._sealers: dict[str, DataKey] = {}

    async def create(
        self,
        session: AsyncSession,
        *,
        market: str,
        day: date,
        trip_id: UUID,
        sender_id: UUID,
        record_class: str = "text",
    ) -> DataKey:
        """The key of `sender_id` in `trip_id`, made in the caller's transaction if it is missing; safe to repeat.

        `day` is the day on which the content expires: all keys of a day fall with their key-encryption key.
        Raises `KeyDestroyed` when it was destroyed before: an erased key never comes back.
        """
        kek = await self.keks.ensure(Scope(market, record_class, day))
        wrapped = kek.wrap(os.urandom(KEY_BYTES), _aad(trip_id, sender_id))
        owner = {"trip_id": trip_id, "sender_id": sender_id}
        values = {**owner, "kek_id": kek.id, "wrapped": wrapped, "now": self._clock.now()}
        await session.execute(_MAKE, values)
        row = (await session.execute(_ONE_IN_SESSION, owner)).mappings().one()
        key = await self._opened(row)
        self._keep_after_commit(session, (trip_id, sender_id), key)
        return key

    def kept(self, trip_id: UUID, sender_id: UUID) -> DataKey | None:
        """The key of one sender's words if it is at hand; never waits."""
        return self._kept.get((trip_id, sender_id))

    async def get(self, trip_id: UUID, sender_id: UUID, session: AsyncSession | None = None) -> DataKey:
        """The key of one sender's words. Raises `KeyDestroyed` when there is none (any more).

        Give the `session` where the key may have been made in the same, not yet committed transaction.
        """
        kept = self._kept.get((trip_id, sender_id))
        if kept is not None:
            return kept
        if session is None:
            row = await self._db.pool.fetchrow(_ONE, trip_id, sender_id)
        else:
            owner = {"trip_id": trip_id, "sender_id": sender_id}
            row = (await session.execute(_ONE_IN_SESSION, owner)).mappings().one_or_none()
        if row is None:
            raise KeyDestroyed(f"there is no key of {sender_id} in {trip_id}")
        key = await self._opened(row)
        if session is None:
            self._kept.put((trip_id, sender_id), key)
        return key

    async def get_many(self, trip_id: UUID) -> dict[UUID, DataKey]:
        """Every living key of a trip by its sender; who is missing reads "erased"."""
        keys: dict[UUID, DataKey] = {}
        for row in await self._db.pool.fetch(_ALL, trip_id):
            try:
                keys[row["sender_id"]] = await self._opened(row)
            except KeyDestroyed:
                continue
            self._kept.put((trip_id, row["sender_id"]), keys[row["sender_id"]])
        return keys

    def sealer(self, purpose: str) -> DataKey:
        """A key derived from the root key, for what is no trip content (telephone numbers: "contact")."""
        if purpose not in self._sealers:
            self._sealers[purpose] = DataKey(self._provider.derive(f"sealer {purpose}"))
        return self._sealers[purpose]

    async def destroy(self, session: AsyncSession, trip_id: UUID, sender_id: UUID | None = None) -> int:
        """Destroy the key of one sender in a trip, or of all: their words become unreadable. Returns how many fell.

        Counts once the caller commits. Other processes hear of it by `forget`, at the latest after `CACHE_LIFE_S`.
        """
        values = {"trip_id": trip_id, "sender_id": sender_id, "now": self._clock.now()}
        done: Any = await session.execute(_DESTROY, values)
        at_end(session.sync_session, lambda _: self.forget(trip_id, sender_id))
        return int(done.rowcount)

    async def destroy_day(self, session: AsyncSession, *, market: str, record_class: str, day: date) -> int:
        """Destroy the key-encryption key of a day and remove what it wrapped. Returns how many data keys fell."""
        values = {"market": market, "record_class": record_class, "day": day, "now": self._clock.now()}
        kek_id = (await session.execute(_DESTROY_DAY, values)).scalar_one_or_none()
        if kek_id is None:
            return 0
        done: Any = await session.execute(_CLEAR_DAY, {"kek_id": kek_id})
        at_end(session.sync_session, lambda _: self.clear())
        return int(done.rowcount)

    def forget(self, trip_id: UUID, sender_id: UUID | None = None) -> None:
        """Drop opened keys of a trip from this process; call it when another process destroyed them."""
        if sender_id is not None:
            self._kept.forget((trip_id, sender_id))
        else:
            self._kept.forget_where(lambda owner: owner[0] == trip_id)

    def clear(self) -> None:
        """Drop every opened key from this process."""
        self._kept.clear()
        self.keks.clear()

    async def _opened(self, row: Any) -> DataKey:
        found: Mapping[str, Any] = row
        if found["wrapped"] is None:
            raise KeyDestroyed(f"the key of {found['sender_id']} in {found['trip_id']} is destroyed")
        kek = await self.keks.of_row(found)
        return DataKey(kek.unwrap(bytes(found["wrapped"]), _aad(found["trip_id"], found["sender_id"])))

    def _keep_after_commit(self, session: AsyncSession, owner: _Owner, key: DataKey) -> None:
        """Not before: a key of a transaction that rolls back must never seal anything."""

        def keep(committed: bool) -> None:
            if committed:
                self._kept.put(owner, key)

        at_end(session.sync_session, keep)
