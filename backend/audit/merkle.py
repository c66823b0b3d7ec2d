"""The tree of RFC 6962 (RFC 9162, 2.1), pure: hashes, roots, inclusion and consistency proofs and their checks.

A node is (height, index): the root of the 2**height leaves from index * 2**height on. A proof is planned as ranges of
leaves; whoever has the nodes (a list, tiles in a table, tiles in a file) turns ranges into hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]  # leaves from the first on, up to but not with the second
Node = tuple[int, int]  # height, index
ReadNode = Callable[[int, int], bytes]


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: bytes) -> bytes:
    """Root of a perfect subtree whose 2**n hashes of 32 bytes stand one after the other."""
    while len(hashes) > HASH_BYTES:
        # The one loop that runs for every entry of a log that is verified: kept free of calls of ours.
        hashes = b"".join(
            [sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 2 * HASH_BYTES)]
        )
    return hashes


def fold(roots: Sequence[bytes]) -> bytes:
    """Root of a tree that consists of these perfect subtrees, largest first."""
    if not roots:
        return EMPTY_ROOT
    whole = roots[-1]
    for left in reversed(roots[:-1]):
        whole = node_hash(left, whole)
    return whole


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes."""
    read = list_reader(leaf_hashes)
    return hash_range(read, (0, len(leaf_hashes)))


def nodes_of(leaves: Range) -> list[Node]:
    """The perfect nodes that a range of a proof consists of, from left to right."""
    low, high = leaves
    nodes: list[Node] = []
    while low < high:
        height = (high - low).bit_length() - 1
        nodes.append((height, low >> height))
        low += 1 << height
    return nodes


def hash_range(read: ReadNode, leaves: Range) -> bytes:
    """Root over a range whose beginning is aligned to its largest subtree, as all ranges of proofs are."""
    return fold([read(height, index) for height, index in nodes_of(leaves)])


def list_reader(leaf_hashes: Sequence[bytes]) -> ReadNode:
    """Nodes of a tree whose leaf hashes are at hand."""

    def read(height: int, index: int) -> bytes:
        return perfect_root(b"".join(leaf_hashes[index << height : (index + 1) << height]))

    return read


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """PATH(index, D[size]) as ranges, deepest first. Raises `ValueError` when the leaf is not in the tree."""
    if not 0 <= index < size:
        raise ValueError(f"there is no entry {index} in a tree of {size}")
    low, high = 0, size
    siblings: list[Range] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            low = middle
    return siblings[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """PROOF(old, D[new]) as ranges. Raises `ValueError` unless 0 < old <= new."""
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof leads from {old} to {new}")
    low, high, whole = 0, new, True
    siblings: list[Range] = []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            low, whole = middle, False
    if not whole:
        siblings.append((low, high))
    return siblings[::-1]


def proof(read: ReadNode, ranges: Iterable[Range]) -> list[bytes]:
    """The hashes of a planned proof."""
    return [hash_range(read, leaves) for leaves in ranges]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the entry with hash `leaf` stands at `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, whole = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            whole = node_hash(sibling, whole)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            whole = node_hash(whole, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and whole == root


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether `path` proves that the tree of `new` entries only adds to the one of `old` (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    rest = list(path)
    if old & (old - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)
