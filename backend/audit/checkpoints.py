"""Signing the tree: at most once a second, only forwards, never two roots for one size."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backend.audit.merkle import hash_range
from backend.audit.note import Signer
from backend.audit.store import LEADER_LOCK, LogBroken, read_state, read_tiles
from backend.audit.tiles import TileMissing, reader, tiles_for
from backend.clock import Clock
from backend.db import Database

INTERVAL = timedelta(seconds=1)

_LAST = "SELECT tree_size, root_hash, signed_at FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1"
_SAVE = """INSERT INTO audit_checkpoint (tree_size, root_hash, note, signed_at) VALUES ($1, $2, $3, $4)"""


async def sign_due(db: Database, clock: Clock, signer: Signer) -> str | None:
    """Sign the tree if it grew and the last checkpoint is a second old; the new note, or None.

    Raises `LogBroken` when the tree does not contain the last checkpoint's tree: a fork is never signed.
    """
    async with db.pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LEADER_LOCK):
            return None
        size, root = await read_state(connection)
        last = await connection.fetchrow(_LAST)
        now = clock.now()
        if last is not None:
            if size < last["tree_size"]:
                raise LogBroken(f"the tree has {size} entries, a checkpoint speaks of {last['tree_size']}")
            # abs: a clock that was set back must not silence the log until it has caught up.
            if size == last["tree_size"] or abs(now - last["signed_at"]) < INTERVAL:
                return None
            await _check_extends(connection, last["tree_size"], bytes(last["root_hash"]))
        elif size == 0:
            return None
        note = signer.sign(size, root)
        await connection.execute(_SAVE, size, root, note, now)
        return note


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
