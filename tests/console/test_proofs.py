"""The console's own check of inclusion proofs, against trees that are built here in the plainest way."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from console.proofs import Path


def leaf_of(number: int) -> bytes:
    return hashlib.sha256(b"\x00" + str(number).encode()).digest()


def root_and_siblings(leaves: list[bytes], index: int) -> tuple[bytes, list[bytes]]:
    """RFC 6962 section 2.1, word for word: split at the largest power of two below the size."""
    if len(leaves) == 1:
        return leaves[0], []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = leaves[:split], leaves[split:]
    if index < split:
        found, path = root_and_siblings(left, index)
        other, _ = root_and_siblings(right, 0)
        return hashlib.sha256(b"\x01" + found + other).digest(), [*path, other]
    found, path = root_and_siblings(right, index - split)
    other, _ = root_and_siblings(left, 0)
    return hashlib.sha256(b"\x01" + other + found).digest(), [*path, other]


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 70))
    return size, draw(st.integers(0, size - 1))


def path(size: int, index: int) -> Path:
    root, siblings = root_and_siblings([leaf_of(number) for number in range(size)], index)
    return Path(index, size, leaf_of(index), tuple(siblings), root)


@given(places())
def test_a_leaf_of_the_tree_is_proven(place: tuple[int, int]) -> None:
    assert path(*place).holds()


@given(places(), st.data())
def test_nothing_else_is_proven(place: tuple[int, int], data: st.DataObject) -> None:
    good = path(*place)
    wrong = [
        Path(good.index, good.tree_size, leaf_of(999), good.siblings, good.root),
        Path(good.index, good.tree_size, good.leaf, good.siblings, leaf_of(999)),
        Path(good.index, good.tree_size, good.leaf, (*good.siblings, leaf_of(1)), good.root),
        Path(good.tree_size, good.tree_size, good.leaf, good.siblings, good.root),
    ]
    if good.siblings:
        wrong.append(Path(good.index, good.tree_size, good.leaf, good.siblings[:-1], good.root))
        other = data.draw(st.integers(0, good.tree_size - 1).filter(lambda index: index != good.index))
        wrong.append(Path(other, good.tree_size, good.leaf, good.siblings, good.root))
    assert not [attempt for attempt in wrong if attempt.holds()]
