"""The tree cut into 256-wide tiles (C2SP tlog-tiles), pure: appending at the right edge, nodes out of tiles.

Tile (level, index) holds the hashes of height 8 * level from index * 256 on. Full tiles never change again; each level
has at most one partial tile, at its right edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from backend.audit.merkle import HASH_BYTES, Node, Range, ReadNode, fold, nodes_of, perfect_root

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES

Tile = tuple[int, int]  # level, index


class TileMissing(LookupError):
    """A tile that the tree needs is not there or is too short."""

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
        super().__init__(f"tile {tile[1]} of level {tile[0]} is missing or too short")


def edge_tiles(size: int) -> dict[Tile, int]:
    """The partial tiles of a tree of `size` entries and how many hashes each holds."""
    edge: dict[Tile, int] = {}
    level = 0
    while size >> (HEIGHT * level):
        count = size >> (HEIGHT * level)
        if count % WIDTH:
            edge[(level, count // WIDTH)] = count % WIDTH
        level += 1
    return edge


class Edge:
    """The right edge of a tree: takes leaf hashes, gives root and the tiles that changed."""

    def __init__(self, size: int, partial: Mapping[Tile, bytes]) -> None:
        """`partial`: the tiles that `edge_tiles(size)` names. Raises `TileMissing`."""
        self.size = size
        self.changed: dict[Tile, bytes] = {}
        self._open: dict[int, bytes] = {}
        for tile, width in edge_tiles(size).items():
            hashes = partial.get(tile, b"")
            if len(hashes) != width * HASH_BYTES:
                raise TileMissing(tile)
            self._open[tile[0]] = hashes

    def append(self, leaf_hashes: bytes) -> None:
        """Add leaves, given as hashes of 32 bytes one after the other."""
        self._add(0, self.size, leaf_hashes)
        self.size += len(leaf_hashes) // HASH_BYTES

    def _add(self, level: int, count: int, hashes: bytes) -> None:
        """Add `hashes` to a level that held `count`; full tiles add their roots to the level above."""
        first = count // WIDTH
        waiting = self._open.get(level, b"") + hashes
        full = len(waiting) // TILE_BYTES
        roots: list[bytes] = []
        for number in range(full):
            tile = waiting[number * TILE_BYTES : (number + 1) * TILE_BYTES]
            self.changed[(level, first + number)] = tile
            roots.append(perfect_root(tile))
        self._open[level] = waiting[full * TILE_BYTES :]
        if self._open[level]:
            self.changed[(level, first + full)] = self._open[level]
        if roots:
            self._add(level + 1, first, b"".join(roots))

    def partial(self) -> dict[Tile, bytes]:
        """The tiles at the edge that are not full, as `edge_tiles(size)` names them."""
        return {(level, self.size >> (HEIGHT * (level + 1))): hashes for level, hashes in self._open.items() if hashes}

    def root(self) -> bytes:
        """Root of the whole tree."""
        roots: list[bytes] = []
        for level in sorted(self._open, reverse=True):
            hashes = self._open[level]
            for height, index in nodes_of((0, len(hashes) // HASH_BYTES)):
                span = HASH_BYTES << height
                roots.append(perfect_root(hashes[index * span : (index + 1) * span]))
        return fold(roots)


def tile_of(node: Node) -> tuple[Tile, int, int]:
    """Where a node stands: its tile, and from which to which byte are the hashes that it is the root of."""
    height, index = node
    level, rest = divmod(height, HEIGHT)
    first = index << rest
    start = (first % WIDTH) * HASH_BYTES
    return (level, first // WIDTH), start, start + (HASH_BYTES << rest)


def tiles_for(ranges: Iterable[Range]) -> set[Tile]:
    """The tiles that one has to read for a planned proof."""
    return {tile_of(node)[0] for leaves in ranges for node in nodes_of(leaves)}


def reader(tile: Callable[[Tile], bytes | None]) -> ReadNode:
    """Nodes out of tiles. The reader raises `TileMissing`."""

    def read(height: int, index: int) -> bytes:
        where, start, end = tile_of((height, index))
        hashes = tile(where)
        if hashes is None or len(hashes) < end:
            raise TileMissing(where)
        return perfect_root(hashes[start:end])

    return read
