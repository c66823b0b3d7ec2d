"""Giving entries their place: one leader at a time, contiguous numbers, the tree, all in one statement.

Any number of sweepers may try; an advisory lock, and the state that was read, let one through, the others place
nothing. A leader that dies leaves nothing: its statement never was. The row of the intake and the row of the log never
exist together.

Two round trips a batch, because each one wakes two processes: the first reads what waits (only hashes travel) and the
right edge of the tree, the second writes everything, provided that the tree is still the one that was read.
"""

from __future__ import annotations

from typing import Any

import asyncpg

from backend.audit.checkpoints import is_due, sign_due
from backend.audit.merkle import EMPTY_ROOT
from backend.audit.note import Signer
from backend.audit.producers import DEAD_AFTER, close_lost
from backend.audit.store import LEADER_LOCK, LogBroken
from backend.audit.tiles import Edge, Tile, TileMissing
from backend.clock import Clock
from backend.db import Database

#: Entries of one statement: some 100 ms of work.
BATCH = 8_192
#: Batches of one call, so that a long backlog does not keep its sweeper from everything else.
MAX_BATCHES = 16

#: Part of a sweeper's one look: is there anything to place or to sign at `$1`? `$2`: also what came after `$1`.
DUE = """EXISTS (SELECT FROM audit_intake WHERE $2::boolean OR at <= $1::timestamptz) OR (
    SELECT c.tree_size IS NULL OR (c.tree_size <> s.tree_size AND abs(extract(epoch FROM $1::timestamptz - c.signed_at)) >= 1)
    FROM audit_state s
    LEFT JOIN LATERAL (SELECT tree_size, signed_at FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c ON true
    WHERE s.id = 1 AND s.tree_size > 0)"""
#: The same for producers that died; some of their numbers may be lost.
DEAD = f"""EXISTS (SELECT FROM audit_producer
    WHERE ended_at IS NULL AND seen_at < $1::timestamptz - interval '{DEAD_AFTER.seconds} s')"""

_READ = """
SELECT s.tree_size, s.root_hash, w.ids, w.hashes, e.levels, e.tiles, c.tree_size AS signed, c.signed_at
FROM (
    SELECT array_agg(id ORDER BY id) AS ids, string_agg(sha256('\\x00'::bytea || leaf), ''::bytea ORDER BY id) AS hashes
    FROM (SELECT id, leaf FROM audit_intake ORDER BY id LIMIT $1) AS first
) AS w
LEFT JOIN audit_state s ON s.id = 1
LEFT JOIN LATERAL (
    SELECT array_agg(t.level) AS levels, array_agg(t.hashes) AS tiles
    FROM generate_series(0, 7) AS height
    JOIN audit_tile t ON t.level = height AND t.tile_index = s.tree_size >> (8 * (height + 1))
) e ON true
LEFT JOIN LATERAL (SELECT tree_size, signed_at FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c ON true
"""

_COLUMNS = "leaf, event, at, private_sealed, audit_key_id, trip_mac, person_mac, staff_mac"

# The rows stay in the database. The claim needs no cursor, so no row that was committed late under an early number can
# be passed over. Nothing happens unless this session leads and the tree is the one that was read; a row that waited
# and is gone makes the division fail, and all of it never was.
_PLACE = f"""
WITH leader AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock($1) AS yes
), moved AS (
    INSERT INTO audit_state AS s (id, tree_size, root_hash, updated_at)
    SELECT 1, $4, $5, $6 FROM leader WHERE yes AND ($2::bigint = 0 OR EXISTS (SELECT FROM audit_state WHERE id = 1))
    ON CONFLICT (id) DO UPDATE SET tree_size = $4, root_hash = $5, updated_at = $6
    WHERE s.tree_size = $2 AND s.root_hash = $3
    RETURNING id
), claimed AS (
    DELETE FROM audit_intake WHERE id = ANY ($7::bigint[]) AND EXISTS (SELECT FROM moved) RETURNING id, {_COLUMNS}
), placed AS (
    INSERT INTO audit_entry (entry_index, {_COLUMNS})
    SELECT $2::bigint + row_number() OVER (ORDER BY id) - 1, {_COLUMNS} FROM claimed
    RETURNING entry_index
), edge AS (
    INSERT INTO audit_tile (level, tile_index, hashes)
    SELECT * FROM unnest($8::smallint[], $9::bigint[], $10::bytea[]) WHERE EXISTS (SELECT FROM moved)
    ON CONFLICT (level, tile_index) DO UPDATE SET hashes = EXCLUDED.hashes
)
SELECT CASE WHEN EXISTS (SELECT FROM moved) THEN count(*) / (count(*) = cardinality($7))::int ELSE 0 END FROM placed
"""  # noqa: S608  (column names of this file)


async def run_once(db: Database, clock: Clock, signer: Signer | None) -> int:
    """Sequence what waits, sign if it is time, close what dead producers left; how many entries this call placed.

    Without a `signer` nothing is signed. Raises `LogBroken` when the stored tree contradicts itself: a log that was
    tampered with is not extended.
    """
    placed = await place_and_sign(db.pool, clock, signer)
    if signer is not None and await db.pool.fetchval(f"SELECT {DEAD}", clock.now()):
        await close_lost(db, clock, signer.verifier.name)
    return placed


async def place_and_sign(connection: Any, clock: Clock, signer: Signer | None) -> int:
    """`run_once` without the dead, on a bare asyncpg connection or pool; the whole work of a busy log."""
    placed = 0
    for _ in range(MAX_BATCHES):
        read = await connection.fetchrow(_READ, BATCH)
        batch = await _place(connection, clock, read) if read["ids"] else 0
        placed += batch
        if batch < BATCH:
            break
    if signer is not None and is_due((read["tree_size"] or 0) + batch, read["signed"], read["signed_at"], clock.now()):
        await sign_due(connection, clock, signer)
    return placed


async def _place(connection: Any, clock: Clock, read: Any) -> int:
    """Give the entries that were read their places; 0 when somebody else was first."""
    size, root = (0, EMPTY_ROOT) if read["tree_size"] is None else (read["tree_size"], read["root_hash"])
    edge = _edge(size, root, dict(zip(read["levels"] or (), read["tiles"] or (), strict=True)))
    edge.append(read["hashes"])
    tiles = list(edge.changed)
    levels, indices = [level for level, _ in tiles], [index for _, index in tiles]
    hashes = list(edge.changed.values())
    after = (edge.size, edge.root(), clock.now())
    try:
        return await connection.fetchval(_PLACE, LEADER_LOCK, size, root, *after, read["ids"], levels, indices, hashes)
    except asyncpg.DivisionByZeroError as error:
        raise LogBroken(f"of {len(read['ids'])} entries that waited, some are gone and were never placed") from error


def _edge(size: int, root: bytes, stored: dict[int, bytes]) -> Edge:
    """The right edge as stored, by level. Raises `LogBroken` unless it has the root that the state names."""
    partial: dict[Tile, bytes] = {(level, size >> (8 * (level + 1))): hashes for level, hashes in stored.items()}
    try:
        edge = Edge(size, partial)
    except TileMissing as error:
        raise LogBroken(str(error)) from error
    if edge.root() != root:
        raise LogBroken(f"the tiles of the tree of {size} entries do not have the root of its state")
    return edge
