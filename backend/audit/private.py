"""Opening the private half of entries, and holding it against what the leaf committed to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

import msgspec

from backend.audit.canonical import Json
from backend.audit.leaf import NO_PRIVATE, SALT_BYTES, commit
from backend.audit.subject_keys import AuditKeys
from backend.keys import DataKey, SealBroken

PrivateState = Literal["open", "none", "erased", "broken"]


@dataclass(frozen=True)
class SealedPrivate:
    """The private columns of one row. `commitment` is the `c` of its leaf."""

    index: int
    commitment: bytes
    sealed: bytes | None
    key_id: UUID | None
    trip_mac: bytes | None = None
    person_mac: bytes | None = None
    staff_mac: bytes | None = None


@dataclass(frozen=True)
class OpenedPrivate:
    """What became of it. `salted`: salt and canonical part; `fault`: what is wrong when `state` is broken."""

    index: int
    state: PrivateState
    part: dict[str, Json] | None = None
    salted: bytes = b""
    fault: str = ""


class PrivateReader:
    """Opens private parts in batches: one look-up of keys for all."""

    def __init__(self, keys: AuditKeys) -> None:
        self._keys = keys
        self._known: dict[UUID, DataKey | None] = {}

    async def open(self, rows: Iterable[SealedPrivate]) -> list[OpenedPrivate]:
        """The private parts of `rows`, in order."""
        batch = list(rows)
        unknown = {row.key_id for row in batch if row.key_id is not None} - self._known.keys()
        if unknown:
            if len(self._known) > 100_000:
                self._known.clear()
                unknown = {row.key_id for row in batch if row.key_id is not None}
            self._known.update(await self._keys.opened(unknown))
        return [self._judge(row) for row in batch]

    def _judge(self, row: SealedPrivate) -> OpenedPrivate:
        if row.key_id is None:
            if row.sealed is None and row.commitment == NO_PRIVATE:
                return OpenedPrivate(row.index, "none")
            return OpenedPrivate(row.index, "broken", fault="names no key, but its leaf commits to a private part")
        if row.key_id not in self._known:
            return OpenedPrivate(row.index, "broken", fault="names a key that never was")
        key = self._known[row.key_id]
        if key is None:
            return OpenedPrivate(row.index, "erased")
        if row.sealed is None:
            return OpenedPrivate(row.index, "broken", fault="was blanked, but its key was not destroyed")
        return self._opened(row, key, row.sealed)

    def _opened(self, row: SealedPrivate, key: DataKey, sealed: bytes) -> OpenedPrivate:
        try:
            salted = key.open(sealed, row.commitment)
        except SealBroken:
            return OpenedPrivate(row.index, "broken", fault="does not open: it was changed or belongs to another entry")
        if commit(salted[:SALT_BYTES], salted[SALT_BYTES:]) != row.commitment:
            return OpenedPrivate(row.index, "broken", fault="is not what the leaf commits to")
        part = cast("dict[str, Json]", msgspec.json.decode(salted[SALT_BYTES:]))
        if not self._indexes_fit(row, part):
            return OpenedPrivate(row.index, "broken", fault="has another blind index than its ids give")
        return OpenedPrivate(row.index, "open", part, salted)

    def _indexes_fit(self, row: SealedPrivate, part: dict[str, Json]) -> bool:
        for kind, found in (("trip", row.trip_mac), ("person", row.person_mac), ("staff", row.staff_mac)):
            named = part.get(f"{kind}_id")
            if found != (None if named is None else self._keys.mac(kind.encode(), UUID(str(named)).bytes)):
                return False
        return True
