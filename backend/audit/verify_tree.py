"""The tree side of verifying: leaf hashes against tiles and signed roots, and who is to be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.audit.merkle import EMPTY_ROOT, HASH_BYTES, Range, fold, nodes_of, perfect_root
from backend.audit.note import Checkpoint
from backend.audit.report import Report
from backend.audit.tiles import TILE_BYTES, WIDTH, Tile

#: Indexes that one step may pass over; a log that lost more has lost its checkpoints' entries, too.
_FARTHEST = 50_000_000


class LeafHashes:
    """Leaf hashes in the order of the tree, one after the other; roots of any prefix."""

    def __init__(self, hashes: bytes | bytearray = b"") -> None:
        self.bytes = bytearray(hashes)
        self.missing: list[Range] = []

    def __len__(self) -> int:
        """How far the entries reach: one more than the largest index that was put."""
        return len(self.bytes) // HASH_BYTES

    def put(self, index: int, leaf: bytes, report: Report) -> None:
        """The hash of the next entry; indexes that were passed over are missing."""
        expected = len(self)
        if index == expected:
            self.bytes += leaf
        elif index < expected:
            report.add("tampered", "entry_doubled", f"entry {index} is there twice", index)
        elif index - expected > _FARTHEST:
            # A forged index must not make the verifier allocate the sky.
            report.add("tampered", "entry_added", f"entry {index} was never given a place in the tree: added", index)
        else:
            self.missing.append((expected, index))
            self.bytes += bytes(HASH_BYTES * (index - expected)) + leaf

    def fill(self, size: int, tiles: Mapping[Tile, bytes], report: Report) -> None:
        """Say what is missing of the `size` entries that tiles and checkpoints know, and take its hashes from the
        tiles so that the rest can be judged. What was passed over beyond them was never there."""
        for start, end in self.missing:
            for index in range(start, end):
                at = index * HASH_BYTES
                self.bytes[at : at + HASH_BYTES] = tiled_hash(tiles, index) or bytes(HASH_BYTES)
        if len(self) < size:
            self.missing.append((len(self), size))
        for start, end in [(start, min(end, size)) for start, end in self.missing if start < size]:
            which = f"entry {start} is" if end == start + 1 else f"entries {start} to {end - 1} are"
            report.add("tampered", "entry_dropped", f"{which} missing", start)

    def hash(self, index: int) -> bytes:
        return bytes(self.bytes[index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        """The roots of the prefixes of these sizes. Raises `IndexError` for one that is too long."""
        wanted = sorted(set(sizes))
        found: dict[int, bytes] = {}
        stack: list[bytes] = []  # perfect subtrees of whole tiles, largest first
        tiles = 0
        for size in wanted:
            if size > len(self):
                raise IndexError(size)
            while tiles < size // WIDTH:
                self._push(stack, tiles)
                tiles += 1
            found[size] = self._root(stack, size)
        return found

    def _push(self, stack: list[bytes], tile: int) -> None:
        """Add a whole tile: like carrying when one adds 1 to a binary number."""
        root = perfect_root(bytes(self.bytes[tile * TILE_BYTES : (tile + 1) * TILE_BYTES]))
        while tile & 1:
            root = perfect_root(stack.pop() + root)
            tile >>= 1
        stack.append(root)

    def _root(self, stack: list[bytes], size: int) -> bytes:
        rest = bytes(self.bytes[size // WIDTH * TILE_BYTES : size * HASH_BYTES])
        parts: list[bytes] = []
        for height, index in nodes_of((0, len(rest) // HASH_BYTES)):
            span = HASH_BYTES << height
            parts.append(perfect_root(rest[index * span : (index + 1) * span]))
        return fold([*stack, *parts]) if size else EMPTY_ROOT


def tiled_hash(tiles: Mapping[Tile, bytes], index: int) -> bytes | None:
    """The leaf hash that the tiles keep for `index`, if they do."""
    hashes = tiles.get((0, index // WIDTH), b"")
    start = index % WIDTH * HASH_BYTES
    return hashes[start : start + HASH_BYTES] if len(hashes) >= start + HASH_BYTES else None


def check_against_tiles(
    leaves: LeafHashes, tiles: Mapping[Tile, bytes], checkpoints: Sequence[Checkpoint], report: Report
) -> LeafHashes:
    """Compare leaves, tiles and signed roots, name what differs; returns the hashes that are to be believed."""
    kept = LeafHashes(kept_hashes(tiles))
    wrong = _disagreeing(leaves, checkpoints)
    differing = _differing(leaves, kept)
    if not wrong:
        signed = checkpoints[-1].tree_size if checkpoints else 0
        for index in differing:
            if index < signed:
                text = f"the tile of entry {index} keeps another hash than the entry has; the entry is as it was signed"
                report.add("tampered", "tile_changed", text, index)
        _name_entries(leaves, kept, [index for index in differing if index >= signed], report)
        added = range(max(signed, len(kept)), len(leaves))
        _name_added(leaves, added, report)
        return LeafHashes(leaves.bytes[: added.start * HASH_BYTES]) if added else leaves
    _name_entries(leaves, kept, differing, report)
    if _disagreeing(kept, checkpoints):
        _name_stretch([one for one in wrong if one.tree_size <= len(leaves)], checkpoints, report)
    else:
        _name_added(leaves, range(len(kept), len(leaves)), report)
    return kept


def check_tiles(leaves: LeafHashes, tiles: Mapping[Tile, bytes], report: Report) -> None:
    """Every tile above the leaves is what the hashes below it give; no tile is missing, none is too many."""
    hashes, level, seen = bytes(leaves.bytes), 0, 0
    while hashes:
        above: list[bytes] = []
        for number, start in enumerate(range(0, len(hashes), TILE_BYTES)):
            right = hashes[start : start + TILE_BYTES]
            if len(right) == TILE_BYTES:
                above.append(perfect_root(right))
            found = tiles.get((level, number))
            seen += found is not None
            if found is None:
                report.add("incomplete", "tile_missing", f"tile {number} of level {level} is missing")
            elif found != right and level > 0:
                report.add("tampered", "tile_changed", f"tile {number} of level {level} is not what it stands on")
        hashes, level = b"".join(above), level + 1
    if seen < len(tiles):
        report.add("tampered", "tile_added", f"{len(tiles) - seen} tiles belong to no part of the tree")


def kept_hashes(tiles: Mapping[Tile, bytes]) -> bytes:
    """Leaf hashes of the tiles, as far as they reach without a gap."""
    parts: list[bytes] = []
    while (0, len(parts)) in tiles:
        parts.append(tiles[(0, len(parts))])
        if len(parts[-1]) != TILE_BYTES:
            break
    return b"".join(parts)


def _disagreeing(leaves: LeafHashes, checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints whose root these hashes do not have, or that they do not reach."""
    reached = [checkpoint for checkpoint in checkpoints if checkpoint.tree_size <= len(leaves)]
    roots = leaves.roots([checkpoint.tree_size for checkpoint in reached])
    return [
        checkpoint
        for checkpoint in checkpoints
        if checkpoint.tree_size > len(leaves) or roots[checkpoint.tree_size] != checkpoint.root_hash
    ]


def _differing(leaves: LeafHashes, kept: LeafHashes) -> list[int]:
    """Indexes that both have and whose hashes differ; compares whole tiles first."""
    indexes: list[int] = []
    for start in range(0, min(len(leaves), len(kept)), WIDTH):
        end = min(start + WIDTH, len(leaves), len(kept))
        if leaves.bytes[start * HASH_BYTES : end * HASH_BYTES] != kept.bytes[start * HASH_BYTES : end * HASH_BYTES]:
            indexes.extend(index for index in range(start, end) if leaves.hash(index) != kept.hash(index))
    return indexes


def _name_entries(leaves: LeafHashes, kept: LeafHashes, differing: Sequence[int], report: Report) -> None:
    """Edited, or found at another place: swapped, shifted by an added or dropped row."""
    places = {kept.hash(index): index for index in (*differing, *range(len(leaves), len(kept)))} if differing else {}
    for index in differing:
        origin = places.get(leaves.hash(index))
        if origin is None:
            report.add("tampered", "entry_edited", f"entry {index} is not the one that was entered there", index)
        else:
            text = f"entry {index} is the one that was entered at {origin}: swapped or moved"
            report.add("tampered", "entry_moved", text, index)


def _name_added(leaves: LeafHashes, indexes: range, report: Report) -> None:
    passed_over = bytes(HASH_BYTES)
    for index in indexes:
        if leaves.hash(index) == passed_over:
            continue
        report.add("tampered", "entry_added", f"entry {index} was never given a place in the tree: added", index)


def _name_stretch(wrong: Sequence[Checkpoint], checkpoints: Sequence[Checkpoint], report: Report) -> None:
    """Neither leaves nor tiles are what was signed: the checkpoints bound what was rewritten."""
    if not wrong:
        return  # what is missing has been said
    first = wrong[0].tree_size
    good = [checkpoint.tree_size for checkpoint in checkpoints if checkpoint.tree_size < first]
    start = good[-1] if good else 0
    text = f"among the entries {start} to {first - 1} something was rewritten: they have not the root that was signed"
    report.add("tampered", "root_differs", text, start)
