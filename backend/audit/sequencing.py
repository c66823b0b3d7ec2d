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

from backend.audit.checkpoints import Tree, is_due, sign
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
    SELECT c.tree_size IS NULL
        OR (c.tree_size <> s.tree_size AND abs(extract(epoch FROM $1::timestamptz - c.signed_at)) >= 1)
    FROM audit_state s
    LEFT JOIN LATERAL (SELECT tree_size, signed_at FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c ON true
    WHERE s.id = 1 AND s.tree_size > 0)"""
#: The same for producers that died; some of their numbers may be lost.
DEAD = f"""EXISTS (SELECT FROM audit_producer
    WHERE ended_at IS NULL AND seen_at < $1::timestamptz - interval '{DEAD_AFTER.seconds} s')"""

#: What waits (`{limit}` entries at most) and the right edge of the tree; one row, which `Sequencer.go_on` takes.
READ = """
SELECT s.tree_size, s.root_hash, w.ids, w.hashes, e.levels, e.tiles,
    c.tree_size AS signed, c.root_hash AS signed_root, c.signed_at
FROM (
    SELECT array_agg(id ORDER BY id) AS ids, string_agg(sha256('\\x00'::bytea || leaf), ''::bytea ORDER BY id) AS hashes
    FROM (SELECT id, leaf FROM audit_intake ORDER BY id LIMIT {limit}) AS first
) AS w
LEFT JOIN audit_state s ON s.id = 1
LEFT JOIN LATERAL (
    SELECT array_agg(t.level) AS levels, array_agg(t.hashes) AS tiles
    FROM generate_series(0, 7) AS height
    JOIN audit_tile t ON t.level = height AND t.tile_index = s.tree_size >> (8 * (height + 1))
    WHERE w.ids IS NOT NULL
) e ON true
LEFT JOIN LATERAL (SELECT * FROM audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c ON true
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
    placed = await Sequencer(clock, signer).go_on(db.pool)
    if signer is not None and await db.pool.fetchval(f"SELECT {DEAD}", clock.now()):
        await close_lost(db, clock, signer.verifier.name)
    return placed


class Sequencer:
    """Places and signs. Remembers the edge that it wrote, to trust it without computing its root once more."""

    def __init__(self, clock: Clock, signer: Signer | None) -> None:
        self._clock, self._signer = clock, signer
        self._written: tuple[Tree, dict[Tile, bytes]] | None = None

    async def go_on(self, connection: Any, read: Any = None, batches: int = MAX_BATCHES) -> int:
        """Place what waits and sign if it is time, on an asyncpg connection or pool; how many entries were placed.

        `read`: the row of `READ`, if the caller has it. Raises `LogBroken`.
        """
        placed = 0
        while True:
            read = read or await connection.fetchrow(_READ, BATCH)
            tree = await self._place(connection, read)
            if tree is None:
                return placed
            batch = tree.size - (read["tree_size"] or 0)
            placed, batches = placed + batch, batches - 1
            if batch < BATCH or not batches:
                break
            read = None
        if self._signer is not None and is_due(tree.size, read["signed"], read["signed_at"], self._clock.now()):
            signed = None if read["signed"] is None else Tree(read["signed"], read["signed_root"])
            await sign(connection, self._clock, self._signer, tree, signed)
        return placed

    async def _place(self, connection: Any, read: Any) -> Tree | None:
        """Give the entries that were read their places; the tree as it is now, None when somebody else was first."""
        before = Tree(0, EMPTY_ROOT) if read["tree_size"] is None else Tree(read["tree_size"], read["root_hash"])
        if not read["ids"]:
            return before
        edge = self._edge(before, dict(zip(read["levels"] or (), read["tiles"] or (), strict=True)))
        edge.append(read["hashes"])
        after, tiles = Tree(edge.size, edge.root()), edge.changed
        columns = [level for level, _ in tiles], [index for _, index in tiles], list(tiles.values())
        try:
            placed = await connection.fetchval(
                _PLACE, LEADER_LOCK, *before, *after, self._clock.now(), read["ids"], *columns
            )
        except asyncpg.DivisionByZeroError as error:
            raise LogBroken(f"of {len(read['ids'])} entries that waited, some went and were never placed") from error
        if not placed:
            return None
        self._written = (after, edge.partial())
        return after

    def _edge(self, tree: Tree, stored: dict[int, bytes]) -> Edge:
        """The right edge as stored, by level. Raises `LogBroken` unless it has the root that the state names."""
        size = tree.size
        partial: dict[Tile, bytes] = {(level, size >> (8 * (level + 1))): hashes for level, hashes in stored.items()}
        try:
            edge = Edge(size, partial)
        except TileMissing as error:
            raise LogBroken(str(error)) from error
        if (tree, edge.partial()) != self._written and edge.root() != tree.root:
            raise LogBroken(f"the tiles of the tree of {size} entries do not have the root of its state")
        return edge


_READ = READ.format(limit="$1")
