"""Checking an inclusion proof on the console's own side, as RFC 9162 section 2.1.3.2 says."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True)
class Proof:
    """A leaf hash, its place, the path of sibling hashes, and the root they must lead to."""

    index: int
    tree_size: int
    leaf: bytes
    path: tuple[bytes, ...]
    root: bytes

    def holds(self) -> bool:
        """True when the path leads from the leaf to the root."""
        if not 0 <= self.index < self.tree_size:
            return False
        at, last, found = self.index, self.tree_size - 1, self.leaf
        for sibling in self.path:
            if last == 0:
                return False
            if at & 1 or at == last:
                found = _node(sibling, found)
                while not at & 1 and at:
                    at, last = at >> 1, last >> 1
            else:
                found = _node(found, sibling)
            at, last = at >> 1, last >> 1
        return last == 0 and found == self.root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def read_proof(detail: Mapping[str, Any]) -> Proof | None:
    """The proof in the api's answer; None where there is none yet or it cannot be read as one."""
    raw = detail.get("proof")
    if not isinstance(raw, dict):
        return None
    parts = cast("dict[str, Any]", raw)
    try:
        index = int(parts.get("index", detail.get("index", detail.get("entry", {}).get("index", -1))))
        leaf = _hash(parts.get("leaf_hash") or detail.get("leaf_hash"))
        path = tuple(_hash(item) for item in cast("list[object]", parts.get("path") or parts.get("hashes") or []))
        return Proof(index, int(parts["tree_size"]), leaf, path, _hash(parts.get("root_hash")))
    except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
        return None


def _hash(value: object) -> bytes:
    """32 bytes from hex or base64."""
    text = cast("str", value)
    raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    if len(raw) != 32:
        raise ValueError
    return raw
