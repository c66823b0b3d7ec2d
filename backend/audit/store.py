"""The stored tree, by a bare asyncpg connection or pool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backend.audit.tiles import Tile

#: Who holds it may sequence and sign. Arbitrary but fixed for ever.
LEADER_LOCK = 7_714_002


class LogBroken(RuntimeError):
    """The stored log contradicts itself or its last checkpoint. It is not extended and not signed any more."""


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
