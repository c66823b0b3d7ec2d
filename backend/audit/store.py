"""The stored tree: state and tiles, by a bare asyncpg connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backend.audit.merkle import EMPTY_ROOT
from backend.audit.tiles import Tile

#: Who holds it may sequence and sign. Arbitrary but fixed for ever.
LEADER_LOCK = 7_714_002


class LogBroken(RuntimeError):
    """The stored log contradicts itself or its last checkpoint. It is not extended and not signed any more."""


async def read_state(connection: Any) -> tuple[int, bytes]:
    """(size, root) as the sequencer left them; an empty tree before its first entry."""
    row = await connection.fetchrow("SELECT tree_size, root_hash FROM audit_state WHERE id = 1")
    return (0, EMPTY_ROOT) if row is None else (row["tree_size"], bytes(row["root_hash"]))


async def read_tiles(connection: Any, tiles: Iterable[Tile]) -> dict[Tile, bytes]:
    """The hashes of those of `tiles` that exist."""
    wanted = list(tiles)
    rows = await connection.fetch(
        """SELECT t.level, t.tile_index, t.hashes FROM audit_tile t
        JOIN unnest($1::smallint[], $2::bigint[]) AS w (level, tile_index) USING (level, tile_index)""",
        [level for level, _ in wanted],
        [index for _, index in wanted],
    )
    return {(row["level"], row["tile_index"]): bytes(row["hashes"]) for row in rows}


async def write_tiles(connection: Any, tiles: Mapping[Tile, bytes]) -> None:
    """Store new tiles and the longer form of partial ones."""
    await connection.execute(
        """INSERT INTO audit_tile (level, tile_index, hashes)
        SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
        ON CONFLICT (level, tile_index) DO UPDATE SET hashes = EXCLUDED.hashes""",
        [level for level, _ in tiles],
        [index for _, index in tiles],
        list(tiles.values()),
    )
