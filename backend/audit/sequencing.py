"""Giving entries their place: one leader at a time, contiguous numbers, the tree, all in one transaction.

Any number of sweepers may call `run_once`; an advisory lock lets one through, the others return at once. A leader that
dies leaves nothing: its transaction never was. The row of the intake and the row of the log never exist together.
"""

from __future__ import annotations

from typing import Any

from backend.audit.checkpoints import sign_due
from backend.audit.merkle import HASH_BYTES
from backend.audit.note import Signer
from backend.audit.producers import DEAD_AFTER, close_lost
from backend.audit.store import LEADER_LOCK, LogBroken, read_state, read_tiles, write_tiles
from backend.audit.tiles import Edge, TileMissing, edge_tiles
from backend.clock import Clock
from backend.db import Database

#: Entries of one transaction: some 100 ms of work.
BATCH = 8_192
#: Batches of one call, so that a long backlog does not keep its sweeper from everything else.
MAX_BATCHES = 16

# Asked several times a second, mostly in vain: no lock, no transaction.
_DUE = """SELECT EXISTS (SELECT FROM audit_intake) AS waiting,
    EXISTS (SELECT FROM audit_producer WHERE ended_at IS NULL AND seen_at < $1) AS dead,
    (SELECT tree_size FROM audit_state WHERE id = 1)
        IS DISTINCT FROM (SELECT max(tree_size) FROM audit_checkpoint) AS unsigned"""

_COLUMNS = "leaf, event, at, private_sealed, audit_key_id, trip_mac, person_mac, staff_mac"

# The rows stay in the database: only the leaf hashes travel, as one value. The claim needs no cursor, so no row that
# was committed late under an early number can be passed over.
_PLACE = f"""
WITH claimed AS (
    DELETE FROM audit_intake WHERE id = ANY (ARRAY(SELECT id FROM audit_intake ORDER BY id LIMIT $2))
    RETURNING id, {_COLUMNS}
), placed AS (
    INSERT INTO audit_entry (entry_index, {_COLUMNS})
    SELECT $1::bigint + row_number() OVER (ORDER BY id) - 1, {_COLUMNS} FROM claimed
    RETURNING entry_index, sha256('\\x00'::bytea || leaf) AS leaf_hash
)
SELECT string_agg(leaf_hash, ''::bytea ORDER BY entry_index) FROM placed
"""  # noqa: S608  (column names of this file)

_SAVE_STATE = """INSERT INTO audit_state (id, tree_size, root_hash, updated_at) VALUES (1, $1, $2, $3)
ON CONFLICT (id) DO UPDATE SET tree_size = $1, root_hash = $2, updated_at = $3"""


async def run_once(db: Database, clock: Clock, signer: Signer | None) -> int:
    """Sequence what waits and sign if it is time; returns the number of entries placed by this call.

    Without a `signer` nothing is signed. Raises `LogBroken` when the stored tree contradicts itself: a log that was
    tampered with is not extended.
    """
    due = await db.pool.fetchrow(_DUE, clock.now() - DEAD_AFTER)
    placed = await _place_all(db, clock) if due["waiting"] else 0
    if signer is not None and (placed or due["unsigned"]):
        await sign_due(db, clock, signer)
    if signer is not None and due["dead"]:
        await close_lost(db, clock, signer.verifier.name)
    return placed


async def _place_all(db: Database, clock: Clock) -> int:
    placed = 0
    for _ in range(MAX_BATCHES):
        batch = await _place_batch(db, clock)
        placed += batch
        if batch < BATCH:
            break
    return placed


async def _place_batch(db: Database, clock: Clock) -> int:
    async with db.pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LEADER_LOCK):
            return 0
        return await _place(connection, clock)


async def _place(connection: Any, clock: Clock) -> int:
    size, root = await read_state(connection)
    edge = await _edge(connection, size, root)
    hashes = await connection.fetchval(_PLACE, size, BATCH)
    if not hashes:
        return 0
    edge.append(hashes)
    await write_tiles(connection, edge.changed)
    await connection.execute(_SAVE_STATE, edge.size, edge.root(), clock.now())
    return len(hashes) // HASH_BYTES


async def _edge(connection: Any, size: int, root: bytes) -> Edge:
    """The right edge as stored. Raises `LogBroken` unless it has the root that the state names."""
    try:
        edge = Edge(size, await read_tiles(connection, edge_tiles(size)))
    except TileMissing as error:
        raise LogBroken(str(error)) from error
    if edge.root() != root:
        raise LogBroken(f"the tiles of the tree of {size} entries do not have the root of its state")
    return edge
