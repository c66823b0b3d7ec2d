"""Signing the tree: at most once a second, only forwards, never two roots for one size."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from backend.audit.merkle import hash_range
from backend.audit.note import Signer
from backend.audit.store import LEADER_LOCK, LogBroken, read_tiles
from backend.audit.tiles import TileMissing, reader, tiles_for
from backend.clock import Clock

INTERVAL = timedelta(seconds=1)

_LAST = """SELECT s.tree_size, s.root_hash, c.tree_size AS signed, c.root_hash AS signed_root, c.signed_at
FROM (VALUES (1)) AS one (id) LEFT JOIN audit_state s USING (id)
LEFT JOIN LATERAL (SELECT * FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c ON true"""
# Only the leader, and only beyond what anybody has signed by now.
_SAVE = """INSERT INTO audit_checkpoint (tree_size, root_hash, note, signed_at)
SELECT $2, $3, $4, $5 FROM (SELECT pg_try_advisory_xact_lock($1) AS yes) AS leader
WHERE yes AND NOT EXISTS (SELECT FROM audit_checkpoint WHERE tree_size >= $2)
ON CONFLICT DO NOTHING RETURNING note"""


def is_due(size: int, signed: int | None, signed_at: datetime | None, now: datetime) -> bool:
    """Whether a tree of `size` entries waits for a signature; `signed`, `signed_at`: the last checkpoint, if any."""
    if signed is None or signed_at is None:
        return size > 0
    # abs: a clock that was set back must not silence the log until it has caught up.
    return size != signed and abs(now - signed_at) >= INTERVAL


async def sign_due(connection: Any, clock: Clock, signer: Signer) -> str | None:
    """Sign the tree if it grew and the last checkpoint is a second old; the new note, or None.

    Raises `LogBroken` when the tree does not contain the last checkpoint's tree: a fork is never signed.
    """
    read, now = await connection.fetchrow(_LAST), clock.now()
    size, signed = read["tree_size"] or 0, read["signed"]
    if signed is not None and size < signed:
        raise LogBroken(f"the tree has {size} entries, a checkpoint speaks of {signed}")
    if not is_due(size, signed, read["signed_at"], now):
        return None
    if signed is not None:
        await _check_extends(connection, signed, bytes(read["signed_root"]))
    root = bytes(read["root_hash"])
    return await connection.fetchval(_SAVE, LEADER_LOCK, size, root, signer.sign(size, root), now)


async def latest(connection: Any) -> str | None:
    """The newest checkpoint as a signed note; None before the first."""
    return await connection.fetchval("SELECT note FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1")


async def _check_extends(connection: Any, old_size: int, old_root: bytes) -> None:
    whole = (0, old_size)
    tiles = await read_tiles(connection, tiles_for([whole]))
    try:
        root = hash_range(reader(tiles.get), whole)
    except TileMissing as error:
        raise LogBroken(str(error)) from error
    if root != old_root:
        raise LogBroken(f"the tree of the first {old_size} entries is not the one that was signed")
