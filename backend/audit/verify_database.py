"""Verifying the log in the database: one consistent snapshot, streamed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from backend.audit.leaf import Leaf
from backend.audit.note import Checkpoint, VerifierKey
from backend.audit.private import PrivateReader, SealedPrivate
from backend.audit.report import Report
from backend.audit.subject_keys import AuditKeys
from backend.audit.verify import Anchors, LogCheck
from backend.clock import Clock, rfc3339
from backend.db import Database

#: Numbers and entries younger than this may still be on their way: a send takes seconds at the worst.
SETTLES_IN = timedelta(seconds=60)
_FETCH = 5_000

_ENTRIES = """SELECT entry_index, leaf, event, at, private_sealed, audit_key_id, trip_mac, person_mac, staff_mac
FROM audit_entry ORDER BY entry_index"""

_DESTROYED = """SELECT count(*) FROM audit_key a JOIN keys.key_encryption_key k ON k.id = a.kek_id
WHERE a.wrapped IS NULL OR k.wrapped IS NULL"""
_CHECKPOINTS = "SELECT tree_size, root_hash, note FROM audit_checkpoint ORDER BY tree_size"


async def verify_database(
    db: Database, clock: Clock, key: VerifierKey, *, keys: AuditKeys | None, kept_elsewhere: Sequence[str] = ()
) -> Report:
    """Verify the whole log. `keys`: to open private parts; without them only their commitments stay unchecked."""
    check = LogCheck(key)
    private = None if keys is None else PrivateReader(keys)
    async with db.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        batch: list[tuple[Any, Leaf]] = []
        async for row in connection.cursor(_ENTRIES, prefetch=_FETCH):
            leaf = check.add(row["entry_index"], row["leaf"])
            if leaf is None:
                continue
            _check_columns(row, leaf, check.report)
            batch.append((row, leaf))
            if len(batch) >= _FETCH:
                await _check_private(batch, private, check.report)
                batch.clear()
        await _check_private(batch, private, check.report)
        waiting = await _waiting(connection, check)
        report = check.finish(await _anchors(connection, clock, check, kept_elsewhere))
    report.counts["waiting"] = waiting
    return report


async def _waiting(connection: Any, check: LogCheck) -> int:
    waiting = 0
    async for row in connection.cursor("SELECT leaf FROM audit_intake ORDER BY id", prefetch=_FETCH):
        check.add_waiting(row["leaf"])
        waiting += 1
    return waiting


async def _anchors(connection: Any, clock: Clock, check: LogCheck, kept_elsewhere: Sequence[str]) -> Anchors:
    tiles = {
        (row["level"], row["tile_index"]): row["hashes"]
        async for row in connection.cursor("SELECT level, tile_index, hashes FROM audit_tile", prefetch=_FETCH)
    }
    notes: list[str] = []
    async for row in connection.cursor(_CHECKPOINTS, prefetch=_FETCH):
        notes.append(row["note"])
        if not row["note"].startswith(Checkpoint(check.key.name, row["tree_size"], row["root_hash"]).body()):
            text = f"the checkpoint listed with {row['tree_size']} entries says something else"
            check.report.add("tampered", "checkpoint_columns", text)
    state = await connection.fetchrow("SELECT tree_size, root_hash, updated_at FROM audit_state WHERE id = 1")
    now = clock.now()
    return Anchors(
        tiles=tiles,
        notes=notes,
        kept_elsewhere=kept_elsewhere,
        state=None if state is None else (state["tree_size"], state["root_hash"]),
        keys_destroyed=await connection.fetchval(_DESTROYED),
        settled_before=rfc3339(now - SETTLES_IN),
        may_lag=state is not None and now - state["updated_at"] < SETTLES_IN,
    )


def _check_columns(row: Any, leaf: Leaf, report: Report) -> None:
    """The columns for searching repeat the leaf."""
    if row["event"] != leaf.ev or rfc3339(row["at"]) != leaf.ts:
        index = row["entry_index"]
        text = f"entry {index} is listed with another event or time than its leaf has"
        report.add("tampered", "column_edited", text, index)


async def _check_private(batch: list[tuple[Any, Leaf]], private: PrivateReader | None, report: Report) -> None:
    if private is None:
        return
    opened = await private.open(sealed_private(row, leaf) for row, leaf in batch)
    for found in opened:
        report.counts[f"private {found.state}"] = report.counts.get(f"private {found.state}", 0) + 1
        if found.state == "broken":
            text = f"the private part of entry {found.index} {found.fault}"
            report.add("tampered", "private_broken", text, found.index)


def sealed_private(row: Any, leaf: Leaf) -> SealedPrivate:
    """The private columns of a row of audit_entry."""
    return SealedPrivate(
        row["entry_index"],
        bytes.fromhex(leaf.c),
        row["private_sealed"],
        row["audit_key_id"],
        row["trip_mac"],
        row["person_mac"],
        row["staff_mac"],
    )
