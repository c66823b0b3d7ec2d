"""Proofs for whoever has a checkpoint: an entry is in the log; the log only grew."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from backend.audit.leaf import leaf_hash
from backend.audit.merkle import (
    Range,
    consistency_ranges,
    inclusion_ranges,
    proof,
    verify_consistency,
    verify_inclusion,
)
from backend.audit.note import VerifierKey
from backend.audit.store import read_tiles
from backend.audit.tiles import reader, tiles_for
from backend.db import Database


class EntryProof(msgspec.Struct, frozen=True):
    """All that shows an entry to be in the log. `leaf` is the canonical JSON as text, `path` base64, deepest first."""

    index: int
    leaf: str
    tree_size: int
    path: list[str]
    checkpoint: str


class GrowthProof(msgspec.Struct, frozen=True):
    """All that shows the log of one checkpoint to be the beginning of that of another."""

    old: str
    new: str
    path: list[str]


async def inclusion(db: Database, index: int) -> EntryProof | None:
    """The proof of one entry against the newest checkpoint; None when there is no such entry under one yet."""
    async with db.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        newest = await connection.fetchrow(
            "SELECT tree_size, note FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1"
        )
        leaf = await connection.fetchval("SELECT leaf FROM audit_entry WHERE entry_index = $1", index)
        if newest is None or leaf is None or index >= newest["tree_size"]:
            return None
        path = await _path(connection, inclusion_ranges(index, newest["tree_size"]))
        return EntryProof(index, leaf.decode(), newest["tree_size"], path, newest["note"])


async def consistency(db: Database, old_size: int, new_size: int) -> GrowthProof | None:
    """The proof between two stored checkpoints; None when one of them is not stored.

    Raises `ValueError` unless 0 < old_size <= new_size.
    """
    async with db.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        query = "SELECT tree_size, note FROM audit_checkpoint WHERE tree_size = ANY($1)"
        notes = {row["tree_size"]: row["note"] for row in await connection.fetch(query, [old_size, new_size])}
        if old_size not in notes or new_size not in notes:
            return None
        path = await _path(connection, consistency_ranges(old_size, new_size))
        return GrowthProof(notes[old_size], notes[new_size], path)


async def path_between(connection: Any, old_size: int, new_size: int) -> list[bytes]:
    """The hashes of a consistency proof out of the stored tiles. Raises `TileMissing`, `ValueError`."""
    ranges = consistency_ranges(old_size, new_size)
    return proof(reader((await read_tiles(connection, tiles_for(ranges))).get), ranges)


def verify_entry(found: EntryProof, key: VerifierKey) -> bool:
    """Whether an entry's proof holds. Raises `NoteError` when its checkpoint is not signed by `key`."""
    checkpoint = key.open(found.checkpoint)
    path = [base64.b64decode(step) for step in found.path]
    return checkpoint.tree_size == found.tree_size and verify_inclusion(
        leaf_hash(found.leaf.encode()), found.index, found.tree_size, path, checkpoint.root_hash
    )


def verify_growth(found: GrowthProof, key: VerifierKey) -> bool:
    """Whether a growth proof holds. Raises `NoteError` when a checkpoint is not signed by `key`."""
    old, new = key.open(found.old), key.open(found.new)
    path = [base64.b64decode(step) for step in found.path]
    return verify_consistency(old.tree_size, new.tree_size, path, old.root_hash, new.root_hash)


async def _path(connection: Any, ranges: list[Range]) -> list[str]:
    tiles = await read_tiles(connection, tiles_for(ranges))
    return [base64.b64encode(step).decode() for step in proof(reader(tiles.get), ranges)]
