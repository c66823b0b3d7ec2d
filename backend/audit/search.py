"""Finding entries: by what is public, and by ids through their blind indexes. Opens the private half."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.canonical import Json
from backend.audit.leaf import check_leaf
from backend.audit.private import PrivateReader
from backend.audit.subject_keys import AuditKeys
from backend.audit.verify_database import sealed_private

MAX_LIMIT = 200


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """All that are given have to fit. `since` and `until`: from, and up to but not with.

    `cursor`: the one of the page before.
    """

    trip_id: UUID | None = None
    person_id: UUID | None = None
    staff_id: UUID | None = None
    event: str | None = None
    """An event code, or the beginning of some with a dot at its end: `case.`"""
    since: datetime | None = None
    until: datetime | None = None
    cursor: int | None = None
    limit: int = 50


class FoundEntry(msgspec.Struct, frozen=True):
    """One entry for a reader. `private`: the opened half, `"erased"`, or None when it has none."""

    index: int
    ts: str
    event: str
    outcome: str
    policy: str | None
    producer: str
    counts: dict[str, int]
    private: dict[str, Json] | Literal["erased", "broken"] | None


class Page(msgspec.Struct, frozen=True):
    """Newest first. `cursor`: pass it on for the next page; None on the last."""

    items: list[FoundEntry]
    cursor: int | None


async def access_entries(session: AsyncSession, keys: AuditKeys, filters: Filters) -> Page:
    """The entries that fit, newest first. Raises `ValueError` for a limit out of range."""
    if not 1 <= filters.limit <= MAX_LIMIT:
        raise ValueError(f"the limit is from 1 to {MAX_LIMIT}")
    conditions, values = _conditions(keys, filters)
    where = " AND ".join(conditions) or "true"
    statement = f"SELECT * FROM audit_entry WHERE {where} ORDER BY entry_index DESC LIMIT :limit"  # noqa: S608
    rows = (await session.execute(text(statement), {**values, "limit": filters.limit + 1})).mappings().all()
    shown = rows[: filters.limit]
    items = await _found(shown, PrivateReader(keys))
    return Page(items, shown[-1]["entry_index"] if len(rows) > filters.limit else None)


async def access_entry(session: AsyncSession, keys: AuditKeys, index: int) -> FoundEntry | None:
    """One entry by its place in the tree."""
    statement = text("SELECT * FROM audit_entry WHERE entry_index = :index")
    rows = (await session.execute(statement, {"index": index})).mappings().all()
    return next(iter(await _found(rows, PrivateReader(keys))), None)


def _conditions(keys: AuditKeys, filters: Filters) -> tuple[list[str], dict[str, Any]]:
    """SQL conditions of fixed text, and their values."""
    event = filters.event or ""
    by_prefix = event.endswith(".")
    possible: list[tuple[str, str, object]] = [
        ("trip_mac = :trip", "trip", filters.trip_id and keys.mac(b"trip", filters.trip_id.bytes)),
        ("person_mac = :person", "person", filters.person_id and keys.mac(b"person", filters.person_id.bytes)),
        ("staff_mac = :staff", "staff", filters.staff_id and keys.mac(b"staff", filters.staff_id.bytes)),
        ("event = :event", "event", None if by_prefix else filters.event or None),
        ("starts_with(event, :prefix)", "prefix", event if by_prefix else None),
        ("at >= :since", "since", filters.since),
        ("at < :until", "until", filters.until),
        ("entry_index < :cursor", "cursor", filters.cursor),
    ]
    given = [item for item in possible if item[2] is not None]
    return [condition for condition, _, _ in given], {name: value for _, name, value in given}


async def _found(rows: Any, reader: PrivateReader) -> list[FoundEntry]:
    leaves = [check_leaf(bytes(row["leaf"])) for row in rows]
    opened = await reader.open([sealed_private(row, leaf) for row, leaf in zip(rows, leaves, strict=True)])
    return [
        FoundEntry(
            index=row["entry_index"],
            ts=leaf.ts,
            event=leaf.ev,
            outcome=leaf.out,
            policy=leaf.pol,
            producer=leaf.prod,
            counts={} if leaf.n is msgspec.UNSET else leaf.n,
            private="erased" if half.state == "erased" else "broken" if half.state == "broken" else half.part,
        )
        for row, leaf, half in zip(rows, leaves, opened, strict=True)
    ]
