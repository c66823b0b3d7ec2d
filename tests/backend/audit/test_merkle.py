"""The tree is that of RFC 6962, its proofs prove, and no other proof does."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.audit.leaf import leaf_hash
from backend.audit.merkle import (
    EMPTY_ROOT,
    consistency_ranges,
    inclusion_ranges,
    list_reader,
    node_hash,
    proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from backend.audit.tiles import TILE_BYTES, Edge, TileMissing, edge_tiles, reader, tiles_for

# The eight leaves that Certificate Transparency's own reference implementation is tested with.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def by_definition(leaf_hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if not leaf_hashes:
        return sha256().digest()
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    split = 1
    while split * 2 < len(leaf_hashes):
        split *= 2
    return node_hash(by_definition(leaf_hashes[:split]), by_definition(leaf_hashes[split:]))


def test_the_roots_are_those_of_certificate_transparency():
    known = [leaf_hash(leaf) for leaf in LEAVES]
    assert [root_of(known[: size + 1]).hex() for size in range(8)] == ROOTS
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()


@given(st.integers(0, 600))
@settings(deadline=None, max_examples=60)
def test_every_root_is_the_one_of_the_definition(size: int):
    assert root_of(hashes(size)) == by_definition(hashes(size))


@given(st.integers(1, 400), st.data())
@settings(deadline=None, max_examples=150)
def test_an_inclusion_proof_proves_its_entry_and_no_other(size: int, data: st.DataObject):
    index = data.draw(st.integers(0, size - 1))
    leaves = hashes(size)
    root = root_of(leaves)
    path = proof(list_reader(leaves), inclusion_ranges(index, size))
    assert verify_inclusion(leaves[index], index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda found: found != index)) if size > 1 else size
    assert not verify_inclusion(leaf_hash(b"another"), index, size, path, root)
    assert not verify_inclusion(leaves[index], other, size, path, root)
    assert not verify_inclusion(leaves[index], index, size, [*path, bytes(32)], root)
    for place in range(len(path)):
        assert not verify_inclusion(leaves[index], index, size, path[:place] + path[place + 1 :], root)
        bent = bytes([path[place][0] ^ 1]) + path[place][1:]
        assert not verify_inclusion(leaves[index], index, size, [*path[:place], bent, *path[place + 1 :]], root)


@given(st.integers(1, 400), st.data())
@settings(deadline=None, max_examples=150)
def test_a_consistency_proof_proves_growth_and_no_fork(new: int, data: st.DataObject):
    old = data.draw(st.integers(1, new))
    leaves = hashes(new)
    before, after = root_of(leaves[:old]), root_of(leaves)
    path = proof(list_reader(leaves), consistency_ranges(old, new))
    assert verify_consistency(old, new, path, before, after)
    assert not verify_consistency(old, new, [*path, bytes(32)], before, after)
    assert not verify_consistency(old, new, path, leaf_hash(b"fork"), after)
    assert not verify_consistency(old, new, path, before, leaf_hash(b"fork"))
    fork = [*leaves[: old - 1], leaf_hash(b"rewritten"), *leaves[old:]]
    forged = proof(list_reader(fork), consistency_ranges(old, new))
    assert not verify_consistency(old, new, forged, before, root_of(fork))


def test_proofs_of_what_is_not_in_the_tree_are_refused():
    for index, size in ((0, 0), (5, 5), (-1, 3)):
        with pytest.raises(ValueError, match="no entry"):
            inclusion_ranges(index, size)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="no consistency"):
            consistency_ranges(old, new)
    assert not verify_inclusion(bytes(32), 3, 3, [], bytes(32))
    assert not verify_consistency(0, 3, [], bytes(32), bytes(32))
    assert not verify_consistency(2, 3, [], bytes(32), bytes(32))


@given(st.lists(st.integers(1, 700), min_size=1, max_size=6), st.data())
@settings(deadline=None, max_examples=30)
def test_tiles_grown_in_steps_are_the_tree_in_one_piece(steps: list[int], data: st.DataObject):
    leaves = hashes(sum(steps))
    stored: dict[tuple[int, int], bytes] = {}
    size = 0
    for step in steps:
        edge = Edge(size, {tile: stored[tile] for tile in edge_tiles(size)})
        assert edge.root() == root_of(leaves[:size])
        edge.append(b"".join(leaves[size : size + step]))
        stored.update(edge.changed)
        size += step
        assert edge.root() == root_of(leaves[:size])
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    read = reader(stored.get)
    for ranges in (inclusion_ranges(index, size), consistency_ranges(old, size)):
        assert proof(read, ranges) == proof(list_reader(leaves), ranges)
        assert tiles_for(ranges) <= set(stored)


def test_a_tree_of_more_than_one_level_of_tiles_keeps_every_full_tile():
    leaves = hashes(256 * 256 + 300)
    edge = Edge(0, {})
    edge.append(b"".join(leaves))
    assert {level for level, _ in edge.changed} == {0, 1, 2}
    assert sum(len(tile) == TILE_BYTES for tile in edge.changed.values()) == 257 + 1
    assert edge.root() == root_of(leaves)


def test_a_missing_or_short_tile_is_named():
    with pytest.raises(TileMissing, match="tile 1 of level 0"):
        Edge(300, {(0, 1): bytes(32), (1, 0): bytes(32)})
    with pytest.raises(TileMissing, match="tile 0 of level 0"):
        reader({}.get)(3, 0)
