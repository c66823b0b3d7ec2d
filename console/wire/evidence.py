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
    regulator_reference: str = ""
    disposition: str = ""
    updated_at: datetime | None = None


class RetentionRun(msgspec.Struct, frozen=True):
    """A disposition run, or a dry run of one; counts are rows. `approvals` says who has approved an unusual one."""

    id: str
    dry_run: bool = False
    kind: str = ""
    status: str = ""
    for_date: date | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    counts: dict[str, int] = {}
    expected: float | None = None
    approvals: list[str] = []


class LegalHold(msgspec.Struct, frozen=True):
    """A hold that suspends disposition of what it covers; one of the ids or `market` says what that is."""

    id: str
    scope: str = ""
    reason: str = ""
    trip_id: str | None = None
    user_id: str | None = None
    case_id: str | None = None
    market: str | None = None
    review_on: date | None = None
    placed_at: datetime | None = None
    placed_by: str | None = None
    released_at: datetime | None = None
    released_by: str | None = None
