"""Photos that are known: their PDQ hashes with labels, and how near counts as the same.

File, UTF-8: the first line `tripwarden-photo-bank 1`; then `HASH LABEL [DISTANCE]` a line, with 64 hex digits, one of
KNOWN_PHOTO_LABELS and 0..64 differing bits (31 unless told). Empty lines and lines that begin with `#` are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from moderation.codes import KNOWN_PHOTO_LABELS

FIRST_LINE = "tripwarden-photo-bank 1"
# As ThreatExchange recommends: 31 of 256 bits, and hashes of a quality under 50 say nothing.
DEFAULT_DISTANCE = 31
MIN_QUALITY = 50
_HASH_BYTES = 32
_MAX_DISTANCE = 64
_MAX_ENTRIES = 2_000_000
_WORD = re.compile(r"\S+")
_HASH = re.compile(r"[0-9a-fA-F]{64}")


class BankError(ValueError):
    """A bank that cannot be used: file, line and column (from 1)."""

    def __init__(self, file: str, line: int, column: int, fault: str) -> None:
        self.file, self.line, self.column, self.fault = file, line, column, fault
        super().__init__(f"{file}:{line}:{column}: {fault}")


class Known(msgspec.Struct, frozen=True):
    """One entry: hash (32 bytes), label, and up to how many differing bits it counts as the same photo."""

    pdq: bytes
    label: str
    distance: int = DEFAULT_DISTANCE


class Match(msgspec.Struct, frozen=True):
    """The nearest entry of a label, and in how many of 256 bits it differs."""

    label: str
    distance: int


class Bank:
    """Known photos; immutable. Finds among 100,000 in about a millisecond, by comparing with them all."""

    def __init__(self, entries: Iterable[Known] = ()) -> None:
        known = list(entries)
        self._words = _words(b"".join(each.pdq for each in known)).reshape(-1, _HASH_BYTES // 8)
        self._reach = np.array([each.distance for each in known], dtype=np.uint16)
        self._labels = [each.label for each in known]

    def __len__(self) -> int:
        return len(self._labels)

    def find(self, pdq: bytes, quality: int) -> list[Match]:
        """Return the nearest match of each label, the nearest first; none if the hash (32 bytes) says nothing."""
        if quality < MIN_QUALITY or not self._labels:
            return []
        apart = np.bitwise_count(self._words ^ _words(pdq)).sum(axis=1, dtype=np.uint16)
        nearest: dict[str, int] = {}
        for place in np.flatnonzero(apart <= self._reach):
            label, distance = self._labels[place], int(apart[place])
            nearest[label] = min(distance, nearest.get(label, distance))
        return sorted((Match(label, distance) for label, distance in nearest.items()), key=lambda match: match.distance)


def _words(hashes: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(hashes, dtype=np.uint64)


def load_bank(path: str | Path) -> Bank:
    """Read a bank. Raises BankError with line and column; OSError if the file cannot be read."""
    return parse_bank(Path(path).read_bytes(), str(path))


def parse_bank(source: bytes, name: str = "bank") -> Bank:
    """Read the bytes of a bank; `name` is what errors call it. Raises BankError."""
    lines = source.split(b"\n", _MAX_ENTRIES + 1)
    if len(lines) > _MAX_ENTRIES:
        raise BankError(name, _MAX_ENTRIES + 1, 1, f"more than {_MAX_ENTRIES} lines")
    entries: list[Known] = []
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.decode().rstrip("\r")
        except UnicodeDecodeError as error:
            raise BankError(name, number, error.start + 1, "not UTF-8") from None
        if number == 1:
            if line.strip() != FIRST_LINE:
                raise BankError(name, 1, 1, f"the first line has to be `{FIRST_LINE}`")
        elif line.strip() and not line.startswith("#"):
            entries.append(_entry(line, name, number))
    return Bank(entries)


def _entry(line: str, name: str, number: int) -> Known:
    words = list(_WORD.finditer(line))

    def fault(place: int, message: str) -> BankError:
        column = words[place].start() + 1 if place < len(words) else len(line.rstrip()) + 1
        return BankError(name, number, column, message)

    if not _HASH.fullmatch(words[0].group()):
        raise fault(0, "a hash is 64 hex digits")
    if len(words) < 2 or words[1].group() not in KNOWN_PHOTO_LABELS:
        raise fault(1, f"the label has to be one of {', '.join(KNOWN_PHOTO_LABELS)}")
    distance = DEFAULT_DISTANCE
    if len(words) > 2:
        told = words[2].group()
        if not re.fullmatch(r"[0-9]{1,2}", told) or int(told) > _MAX_DISTANCE:
            raise fault(2, f"the distance is a number of bits, 0 to {_MAX_DISTANCE}")
        distance = int(told)
    if len(words) > 3:
        raise fault(3, "nothing may follow the distance")
    return Known(bytes.fromhex(words[0].group()), words[1].group(), distance)
