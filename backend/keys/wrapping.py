"""Key-encryption keys: found or made, opened by the provider, and what they wrap."""

from __future__ import annotations

import os
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backend.clock import Clock
from backend.db import Database, new_id
from backend.keys.cache import KeyCache
from backend.keys.data_key import KeyDestroyed, SealBroken
from backend.keys.root import KEY_BYTES, KeyProvider

_KEEP = 4_096
_KEEP_S = 600.0

_FIND = """SELECT id, wrapped FROM keys.key_encryption_key WHERE market = $1 AND record_class = $2 AND day = $3"""
_MAKE = """INSERT INTO keys.key_encryption_key (id, market, record_class, day, wrapped, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (market, record_class, day) DO NOTHING"""


class Scope(NamedTuple):
    """What one key-encryption key is for; also what its wrapping is bound to."""

    market: str
    record_class: str
    day: date

    def aad(self) -> bytes:
        return f"kek|{self.market}|{self.record_class}|{self.day.isoformat()}".encode()


class Kek:
    """An opened key-encryption key."""

    __slots__ = ("_cipher", "id")

    def __init__(self, kek_id: UUID, key: bytes) -> None:
        self.id = kek_id
        self._cipher = AESGCM(key)

    def wrap(self, key: bytes, aad: bytes) -> bytes:
        """A data key sealed under this one; 28 bytes longer."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, key, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """The data key. Raises `SealBroken` when it was changed or moved to another row."""
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], aad)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a wrapped key does not open in its row") from error


class KekStore:
    """Finds, makes and opens key-encryption keys.

    They are made in a transaction of their own: one left over by a caller's rollback harms nobody, but two business
    transactions that wait for each other's first key of a day would.
    """

    def __init__(self, db: Database, provider: KeyProvider, clock: Clock) -> None:
        self._db, self._provider, self._clock = db, provider, clock
        self._by_scope: KeyCache[Scope, Kek] = KeyCache(_KEEP, _KEEP_S)
        self._by_id: KeyCache[UUID, Kek] = KeyCache(_KEEP, _KEEP_S)

    async def ensure(self, scope: Scope) -> Kek:
        """The key for `scope`, made if it is missing. Raises `KeyDestroyed` when its time is over."""
        kept = self._by_scope.get(scope)
        if kept is not None:
            return kept
        row = await self._db.pool.fetchrow(_FIND, *scope)
        if row is None:
            wrapped = await self._provider.wrap(os.urandom(KEY_BYTES), scope.aad())
            await self._db.pool.execute(_MAKE, new_id(), *scope, wrapped, self._clock.now())
            row = await self._db.pool.fetchrow(_FIND, *scope)
        kek = await self.opened(row["id"], row["wrapped"], scope)
        self._by_scope.put(scope, kek)
        return kek

    async def opened(self, kek_id: UUID, wrapped: bytes | None, scope: Scope) -> Kek:
        """The key of a row that somebody has read. Raises `KeyDestroyed` when the row holds none any more."""
        kept = self._by_id.get(kek_id)
        if kept is not None:
            return kept
        if wrapped is None:
            raise KeyDestroyed(f"the keys of {scope.record_class} of {scope.day} are destroyed")
        kek = Kek(kek_id, await self._provider.unwrap(wrapped, scope.aad()))
        self._by_id.put(kek_id, kek)
        return kek

    async def of_row(self, row: Any) -> Kek:
        """The key of a joined row with `kek_id`, `kek_wrapped`, `market`, `record_class`, `day`."""
        scope = Scope(row["market"], row["record_class"], row["day"])
        return await self.opened(row["kek_id"], row["kek_wrapped"], scope)

    def clear(self) -> None:
        """Forget every opened key, after some were destroyed."""
        self._by_scope.clear()
        self._by_id.clear()
