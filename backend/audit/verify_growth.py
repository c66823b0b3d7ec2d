"""Verifying that the log only ever grew: a consistency proof from every checkpoint to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from backend.audit.merkle import verify_consistency
from backend.audit.note import Checkpoint, NoteError, VerifierKey
from backend.audit.proofs import path_between
from backend.audit.report import Report
from backend.audit.tiles import TileMissing
from backend.db import Database


async def verify_growth_in_database(db: Database, key: VerifierKey, kept_elsewhere: Sequence[str] = ()) -> Report:
    """Prove each stored or given checkpoint out of the stored tiles to be the beginning of the next larger one."""
    report = Report()
    async with db.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch("SELECT note FROM audit_checkpoint ORDER BY tree_size")
        checkpoints = _opened(key, [*kept_elsewhere, *(row["note"] for row in rows)], report)
        for old, new in pairwise(checkpoints):
            try:
                holds = await _holds(connection, old, new)
            except TileMissing as error:
                report.add("incomplete", "tile_missing", f"no proof from {old.tree_size} to {new.tree_size}: {error}")
                continue
            if not holds:
                text = f"the log of {new.tree_size} entries does not begin with that of {old.tree_size}"
                report.add("tampered", "not_consistent", text, old.tree_size)
    if not checkpoints:
        report.add("incomplete", "no_checkpoint", "there is no checkpoint to start from")
    report.counts["checkpoints"] = len(checkpoints)
    return report


async def _holds(connection: object, old: Checkpoint, new: Checkpoint) -> bool:
    if old.tree_size == new.tree_size:
        return old.root_hash == new.root_hash
    path = await path_between(connection, old.tree_size, new.tree_size)
    return verify_consistency(old.tree_size, new.tree_size, path, old.root_hash, new.root_hash)


def _opened(key: VerifierKey, notes: Sequence[str], report: Report) -> list[Checkpoint]:
    opened: list[Checkpoint] = []
    for note in notes:
        try:
            opened.append(key.open(note))
        except NoteError as error:
            report.add("tampered", "checkpoint_unsigned", f"a checkpoint does not hold: {error}")
    return sorted(opened, key=lambda checkpoint: checkpoint.tree_size)
