"""Audit keys: one per subject, record class and month. Destroying one erases what the log says of its subject."""

from __future__ import annotations

import os
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.clock import Clock
from backend.db import Database, new_id
from backend.keys import DataKey, KeyDestroyed, Keyring, Scope, SealBroken
from backend.keys.cache import KeyCache
from backend.keys.root import KEY_BYTES

#: Audit keys do not differ by market: the log is one.
MARKET = "all"
RECORD_CLASS = "audit"
MAC_BYTES = 16
#: Opened audit keys that a process keeps (3 kB each), and for how long it may miss that one was destroyed elsewhere.
_KEEP = 20_000
_KEEP_S = 600.0

_SELECT = """SELECT a.id, a.subject_mac, a.wrapped, a.kek_id, k.wrapped AS kek_wrapped, k.market, k.record_class, k.day
FROM audit_key a JOIN keys.key_encryption_key k ON k.id = a.kek_id WHERE """
_BY_SUBJECT = _SELECT + "a.subject_mac = $1 AND a.record_class = $2 AND a.period = $3"
_BY_ID = _SELECT + "a.id = ANY($1)"
_MAKE = """INSERT INTO audit_key (id, subject_mac, record_class, period, kek_id, wrapped, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (subject_mac, record_class, period) DO NOTHING RETURNING id"""
_DESTROY = text(
    """UPDATE audit_key SET wrapped = NULL, destroyed_at = :now
WHERE subject_mac = :subject_mac AND wrapped IS NOT NULL RETURNING id"""
)
_ERASE = text(
    """UPDATE audit_entry SET private_sealed = NULL, trip_mac = NULL, person_mac = NULL, staff_mac = NULL
WHERE audit_key_id = ANY(:ids)"""
)


class AuditKey(NamedTuple):
    id: UUID
    key: DataKey


class AuditKeys:
    """Finds, makes, opens and destroys audit keys. Keys are made in transactions of their own, see `KekStore`."""

    def __init__(self, db: Database, keyring: Keyring, clock: Clock) -> None:
        self._db, self._keyring, self._clock = db, keyring, clock
        self._index_key = keyring.sealer("audit-index").mac(b"blind index")
        self._kept: KeyCache[tuple[str, int], AuditKey] = KeyCache(_KEEP, _KEEP_S)

    def mac(self, kind: bytes, value: bytes) -> bytes:
        """The blind index of an id (keyed BLAKE2b, RFC 7693): 16 bytes that say nothing without the root key."""
        return blake2b(value, digest_size=MAC_BYTES, key=self._index_key, person=kind).digest()

    def kept(self, subject: str, moment: datetime) -> AuditKey | None:
        """The subject's key of this month if it is at hand; never waits."""
        return self._kept.get((subject, moment.month))

    async def ensure(self, subject: str, moment: datetime) -> AuditKey:
        """The subject's key of this month, made if it is missing.

        A subject that was erased earlier in the month gets a key under a later class: its past stays erased.
        """
        period = date(moment.year, moment.month, 1)
        mac = self.mac(b"subject", subject.encode())
        for attempt in range(100):
            record_class = RECORD_CLASS if attempt == 0 else f"{RECORD_CLASS}.{attempt}"
            key = await self._found_or_made(mac, record_class, period)
            if key is not None:
                self._kept.put((subject, moment.month), key)
                return key
        raise KeyDestroyed(f"the audit key of this subject was destroyed too often in {period:%Y-%m}")

    async def _found_or_made(self, mac: bytes, record_class: str, period: date) -> AuditKey | None:
        """The key, made if it is missing; None for one that was destroyed."""
        row = await self._db.pool.fetchrow(_BY_SUBJECT, mac, record_class, period)
        if row is None:
            made = await self._made(mac, record_class, period)
            if made is not None:
                return made
            row = await self._db.pool.fetchrow(_BY_SUBJECT, mac, record_class, period)
        return None if row["wrapped"] is None else AuditKey(row["id"], await self._opened(row))

    async def _made(self, mac: bytes, record_class: str, period: date) -> AuditKey | None:
        """A new key; None when another process made it in the same moment."""
        kek = await self._keyring.keks.ensure(Scope(MARKET, RECORD_CLASS, period))
        key, key_id = os.urandom(KEY_BYTES), new_id()
        values = (key_id, mac, record_class, period, kek.id, kek.wrap(key, _aad(mac)), self._clock.now())
        return AuditKey(key_id, DataKey(key)) if await self._db.pool.fetchval(_MAKE, *values) else None

    async def opened(self, ids: set[UUID]) -> dict[UUID, DataKey | None]:
        """The keys with these ids; None for one that is destroyed, absent for one that never was or is damaged."""
        found: dict[UUID, DataKey | None] = {}
        for row in await self._db.pool.fetch(_BY_ID, list(ids)):
            try:
                found[row["id"]] = None if row["wrapped"] is None else await self._opened(row)
            except KeyDestroyed:
                found[row["id"]] = None
            except SealBroken:
                continue  # a wrapped key that was changed is no key
        return found

    async def destroy(self, session: AsyncSession, subject: str) -> int:
        """Destroy every key of a subject and blank what it sealed; the number of keys. Called by `erasure` alone."""
        values = {"subject_mac": self.mac(b"subject", subject.encode()), "now": self._clock.now()}
        ids = list((await session.execute(_DESTROY, values)).scalars())
        if ids:
            await session.execute(_ERASE, {"ids": ids})
            self._kept.forget_where(lambda key: key[0] == subject)
        return len(ids)

    async def _opened(self, row: Any) -> DataKey:
        kek = await self._keyring.keks.of_row(row)
        return DataKey(kek.unwrap(bytes(row["wrapped"]), _aad(bytes(row["subject_mac"]))))


def _aad(subject_mac: bytes) -> bytes:
    return b"audit-key" + subject_mac
