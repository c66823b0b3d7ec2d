"""Signing the tree: at most once a second, only forwards, never two roots for one size."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from backend.audit.merkle import hash_range
from backend.audit.note import Signer
from backend.audit.store import LEADER_LOCK, LogBroken, read_tiles
from backend.audit.tiles import TileMissing, reader, tiles_for
from backend.clock import Clock

INTERVAL = timedelta(seconds=1)

# Only the leader, and only beyond what anybody has signed by now.
_SAVE = """INSERT INTO audit_checkpoint (tree_size, root_hash, note, signed_at)
SELECT $2, $3, $4, $5 FROM (SELECT pg_try_advisory_xact_lock($1) AS yes) AS leader
WHERE yes AND NOT EXISTS (SELECT FROM audit_checkpoint WHERE tree_size >= $2)
ON CONFLICT DO NOTHING RETURNING note"""


class Tree(NamedTuple):
    """So many entries and their root."""

    size: int
    root: bytes


def is_due(size: int, signed: int | None, signed_at: datetime | None, now: datetime) -> bool:
    """Whether a tree of `size` entries waits for a signature; `signed`, `signed_at`: the last checkpoint, if any."""
    if signed is None or signed_at is None:
        return size > 0
    # abs: a clock that was set back must not silence the log until it has caught up.
    return size != signed and abs(now - signed_at) >= INTERVAL


async def sign(connection: Any, clock: Clock, signer: Signer, tree: Tree, signed: Tree | None) -> str | None:
    """Sign `tree`, which is stored, after `signed`, the last checkpoint's; the note, None when somebody was faster.

    Raises `LogBroken` when `tree` does not contain `signed`: a fork is never signed.
    """
    if signed is not None:
        if tree.size < signed.size:
            raise LogBroken(f"the tree has {tree.size} entries, a checkpoint speaks of {signed.size}")
        await _check_extends(connection, signed)
    values = (tree.size, tree.root, signer.sign(tree.size, tree.root), clock.now())
    return await connection.fetchval(_SAVE, LEADER_LOCK, *values)


async def latest(connection: Any) -> str | None:
    """The newest checkpoint as a signed note; None before the first."""
    return await connection.fetchval("SELECT note FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1")


async def _check_extends(connection: Any, signed: Tree) -> None:
    whole = (0, signed.size)
    tiles = await read_tiles(connection, tiles_for([whole]))
    try:
        root = hash_range(reader(tiles.get), whole)
    except TileMissing as error:
        raise LogBroken(str(error)) from error
    if root != signed.root:
        raise LogBroken(f"the tree of the first {signed.size} entries is not the one that was signed")
