"""Hashed features of the linear model: character n-grams, words and pairs of words, in a few numpy calls."""

from __future__ import annotations

from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint32]

# More of a text than this says nothing new about it; the cost stays bounded.
MAX_CHARS = 4000
MAX_NGRAM = 5
MAX_FEATURES = (MAX_CHARS + 2) * (MAX_NGRAM - 1) + 2 * MAX_CHARS
_BASE = np.uint32(0x01000193)
_WORD_BASE = np.uint32(0x85EBCA6B)
_MIX = np.uint32(0x9E3779B1)
# Everything in ASCII that is no letter, digit or apostrophe parts words; bytes of other scripts stay.
_TO_SPACE = bytes(code if chr(code).isalnum() or code >= 0x80 or code == 0x27 else 0x20 for code in range(256))


def hashes(text: str) -> Hashes:
    """Return 32-bit hashes of 2- to 5-grams, words and pairs of words of `text` (folded reading), repeats included."""
    text = text[:MAX_CHARS]
    points = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    rolling = points * _BASE
    parts: list[Hashes] = []
    for size in range(1, min(MAX_NGRAM, len(points))):
        rolling = (rolling[:-1] ^ points[size:]) * _BASE
        parts.append(rolling)
    words = [crc32(word) for word in text.encode("utf-8", "surrogatepass").translate(_TO_SPACE).split()]
    if words:
        single = np.array(words, np.uint32)
        parts.append(single)
        parts.append(single[:-1] * _WORD_BASE ^ single[1:])
    mixed = np.concatenate(parts) if parts else np.zeros(0, np.uint32)
    mixed *= _MIX
    return mixed


def distinct(values: Hashes) -> Hashes:
    """Return the values sorted, each once (numpy's own `unique` takes four times as long on a short message)."""
    values.sort()
    if len(values) < 2:
        return values
    keep = np.empty(len(values), np.bool_)
    keep[0] = True
    np.not_equal(values[1:], values[:-1], out=keep[1:])
    return values[keep]
