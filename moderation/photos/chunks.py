"""Keeps of a PNG what makes its picture, checked: decoders see no texts, profiles or frames, and no wrong sum."""

from __future__ import annotations

import zlib

from moderation.photos.errors import PhotoError
from moderation.photos.header import PNG_MAGIC

# eXIf tells which way is up. Without acTL an animated PNG is its first picture.
_KEPT = frozenset((b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT"))
_END = b"IEND"
_MAX_CHUNKS = 100_000


def picture_chunks(data: bytes) -> bytes:
    """Return the PNG without anything but its picture. Raises PhotoError if it is cut short or a sum is wrong."""
    parts, at = [PNG_MAGIC], len(PNG_MAGIC)
    for _ in range(_MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise PhotoError("photo_broken", "a PNG that is cut short")
        if kind in _KEPT or kind == _END:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise PhotoError("photo_broken", "a PNG with a wrong checksum")
            parts.append(data[at:end])
        if kind == _END:
            return b"".join(parts)
        at = end
    raise PhotoError("photo_broken", "a PNG with too many chunks")
