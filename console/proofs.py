"""Checking an inclusion proof on the console's own side, as RFC 9162 section 2.1.3.2 says."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from console.wire import AuditProof

HASH_BYTES = 32


@dataclass(frozen=True)
class Path:
    """A leaf's hash, its place, the sibling hashes from the leaf upwards, and the root they must lead to."""

    index: int
    tree_size: int
    leaf: bytes
    siblings: tuple[bytes, ...]
    root: bytes

    def holds(self) -> bool:
        """True when the siblings lead from the leaf to the root."""
        if not 0 <= self.index < self.tree_size:
            return False
        at, last, found = self.index, self.tree_size - 1, self.leaf
        for sibling in self.siblings:
            if last == 0:
                return False
            if at & 1 or at == last:
                found = _node(sibling, found)
                while at and not at & 1:
                    at, last = at >> 1, last >> 1
            else:
                found = _node(found, sibling)
            at, last = at >> 1, last >> 1
        return last == 0 and found == self.root


def check_entry(found: AuditProof) -> bool:
    """Whether the entry's own bytes are in the tree that the checkpoint signs. Unreadable counts as no.

    The leaf's hash is computed here from the leaf; the root is read from the checkpoint's text, not taken on trust.
    """
    proof = found.proof
    if proof is None or found.leaf is None:
        return False
    try:
        signed = proof.checkpoint.split("\n")
        path = Path(
            found.entry.index,
            int(signed[1]),
            hashlib.sha256(b"\x00" + found.leaf.encode()).digest(),
            tuple(_hash(item) for item in proof.path),
            _hash(signed[2]),
        )
    except (ValueError, IndexError, binascii.Error):
        return False
    return path.holds()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _hash(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if len(raw) != HASH_BYTES:
        raise ValueError(text)
    return raw
