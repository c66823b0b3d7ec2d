"""The audit log and retention."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec


class AuditEntry(msgspec.Struct, frozen=True):
    """One entry; `private` holds details, or reads "erased" once its key is gone, "broken" where it does not fit."""

    index: int
    ts: datetime | None = None
    event: str = ""
    outcome: str = ""
    policy: str | None = None
    producer: str = ""
    counts: dict[str, int] = {}
    private: dict[str, Any] | str | None = None


class InclusionProof(msgspec.Struct, frozen=True):
    """The way from a leaf to a signed root: base64 hashes, and the checkpoint (C2SP signed note)."""

    tree_size: int
    path: list[str]
    root_hash: str
    checkpoint: str


class AuditProof(msgspec.Struct, frozen=True):
    """An entry, its leaf as it was hashed, and its proof; both None until a checkpoint covers it."""

    entry: AuditEntry
    leaf: str | None = None
    proof: InclusionProof | None = None


class Schedule(msgspec.Struct, frozen=True):
    """How long a market keeps a record class; days."""

    market: str
    record_class: str
    minimum_days: int
    maximum_days: int
    basis: str = ""
    disposition: str = ""
    updated_at: datetime | None = None


class RetentionRun(msgspec.Struct, frozen=True):
    """A disposition run, or a dry run of one; counts are records."""

    id: str
    dry_run: bool = False
    status: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    counts: dict[str, int] = {}


class LegalHold(msgspec.Struct, frozen=True):
    """A hold that suspends disposition of what it covers."""

    id: str
    scope: str = ""
    reason: str = ""
    trip_id: str | None = None
    user_id: str | None = None
    market: str | None = None
    record_class: str | None = None
    placed_at: datetime | None = None
    placed_by: str | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    first_day: date | None = None
    last_day: date | None = None
