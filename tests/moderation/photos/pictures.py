"""Photos, good and hostile, made of nothing but numbers."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def shapes(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Soft blobs of colour; another seed, another picture."""
    dice = np.random.default_rng(seed)
    return Image.fromarray(dice.integers(0, 255, (7, 9, 3)).astype(np.uint8)).resize((width, height))


def scene(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Detail at every scale, the less the finer, as photos have it."""
    dice = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for scale in (3, 6, 12, 24, 48, 96):
        noise = Image.fromarray(dice.integers(0, 256, (scale, scale * 4 // 3, 3)).astype(np.uint8))
        total += (np.asarray(noise.resize((width, height)), dtype=float) - 128) * 3 / (scale + 3)
    return Image.fromarray(np.clip(total + 128, 20, 235).astype(np.uint8))


def corners(width: int = 120, height: int = 80) -> Image.Image:
    """Red, green, blue and white quarters, clockwise from the upper left: any turn shows."""
    picture = Image.new("RGB", (width, height))
    for place, colour in zip([(0, 0), (1, 0), (1, 1), (0, 1)], ["red", "lime", "blue", "white"], strict=True):
        left, upper = place[0] * width // 2, place[1] * height // 2
        picture.paste(colour, (left, upper, left + width // 2, upper + height // 2))
    return picture


def encode(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def decode(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes | None = None, *, before: bytes = b"") -> bytes:
    """A grey PNG that says it is that large, whatever its data is; `before` stands before the data."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = zlib.compress(b"\0" * ((width + 1) * height) if pixels is None else pixels, 9)
    return b"\x89PNG\r\n\x1a\n" + head + before + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def jpeg_frame_of(data: bytes) -> int:
    """Where the frame header of a baseline JPEG begins."""
    return data.index(b"\xff\xc0")


def resized_header(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG, lying about its size."""
    at = jpeg_frame_of(data) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]
