"""What a file says about itself in its first bytes: kind, width, height. Pure Python, nothing is decoded.

Sources: ITU-T T.81 (JPEG) B.1-B.2, W3C PNG 3rd edition 5.2 and 11.2.1, RFC 9649 (WebP) 2.3-2.7.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from moderation.photos.errors import PhotoError
from moderation.photos.limits import Limits

Kind = Literal["JPEG", "PNG", "WEBP"]
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# Frame headers of every JPEG process; C4, C8 and CC are tables and an extension.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MIN_SEGMENT_BYTES = 2
# 10 MB in segments of full length are 160.
_MAX_SEGMENTS = 5000
_MAX_FILL = 256


class Header(msgspec.Struct, frozen=True):
    """Kind by content, and the size in pixels before any rotation."""

    kind: Kind
    width: int
    height: int


def read_header(data: bytes, limits: Limits) -> Header:
    """Return what the file says it is. Raises PhotoError: empty, too large, another type, broken, too many pixels."""
    if not data:
        raise PhotoError("photo_empty")
    if len(data) > limits.max_bytes:
        raise PhotoError("photo_too_large", f"at most {limits.max_bytes} bytes are read")
    header = _sniff(data)
    if not header.width or not header.height:
        raise PhotoError("photo_broken", "it says that it is zero pixels wide or high")
    if max(header.width, header.height) > limits.max_side or header.width * header.height > limits.max_pixels:
        size = f"{header.width} x {header.height}"
        raise PhotoError(
            "photo_too_many_pixels",
            f"{size}; at most {limits.max_pixels} pixels, no side longer than {limits.max_side}",
        )
    return header


def _sniff(data: bytes) -> Header:
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(PNG_MAGIC):
            return _png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except IndexError:
        raise PhotoError("photo_broken", "it ends within its header") from None
    raise PhotoError("photo_type_unsupported")


def _number(data: bytes, at: int, size: int, order: Literal["big", "little"]) -> int:
    if len(data) < at + size:
        raise IndexError
    return int.from_bytes(data[at : at + size], order)


def _jpeg(data: bytes) -> Header:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if data[at] != 0xFF:
            raise PhotoError("photo_broken", "a JPEG segment does not begin with a marker")
        # A marker may be filled up with more 0xFF before it, of which nobody needs many.
        at += len(data[at : at + _MAX_FILL]) - len(data[at : at + _MAX_FILL].lstrip(b"\xff"))
        marker = data[at]
        at += 1
        if marker in _FRAMES:
            return Header("JPEG", _number(data, at + 5, 2, "big"), _number(data, at + 3, 2, "big"))
        if marker in (0xFF, _START_OF_SCAN, _END_OF_IMAGE):
            raise PhotoError("photo_broken", "a JPEG without a frame")
        if marker not in _ALONE:
            length = _number(data, at, 2, "big")
            if length < _MIN_SEGMENT_BYTES:
                raise PhotoError("photo_broken", "a JPEG segment shorter than its own length")
            at += length
    raise PhotoError("photo_broken", "a JPEG with too many segments before its frame")


def _png(data: bytes) -> Header:
    if _number(data, 8, 4, "big") != 13 or data[12:16] != b"IHDR":
        raise PhotoError("photo_broken", "a PNG that does not begin with its header")
    return Header("PNG", _number(data, 16, 4, "big"), _number(data, 20, 4, "big"))


def _webp(data: bytes) -> Header:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return Header("WEBP", _number(data, 24, 3, "little") + 1, _number(data, 27, 3, "little") + 1)
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = _number(data, 21, 4, "little")
        return Header("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return Header("WEBP", _number(data, 26, 2, "little") & 0x3FFF, _number(data, 28, 2, "little") & 0x3FFF)
    raise PhotoError("photo_broken", "a WebP that does not begin with a picture")
