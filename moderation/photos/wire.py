"""What parent and worker say over one socket: frames of a four-byte length (big endian) and that many bytes."""

from __future__ import annotations

import socket
import time
from typing import Annotated

import msgspec
from msgspec import Meta

# Stands in verdicts: the model that the worker runs, and the first digits of its file's SHA-256.
MODEL_NAME = "open-nsfw:864bb37b"
_LENGTH_BYTES = 4
# A clean photo of random dots, the worst there is, at quality 95 and 4,096 x 4,096 pixels.
MAX_FRAME_BYTES = 64 << 20


class Looked(msgspec.Struct, frozen=True):
    """What the worker says of a photo, before the frame with the clean JPEG; or, with an error code, instead of it.

    `width`, `height`: of the clean JPEG, upright. `pdq`: 64 hex digits. `nsfw`: 0..1, None if the model failed.
    """

    error: str | None = None
    detail: str = ""
    width: int = 0
    height: int = 0
    pdq: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    quality: Annotated[int, Meta(ge=0, le=100)] = 0
    nsfw: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None


def send_frame(link: socket.socket, data: bytes, deadline: float | None = None) -> None:
    """Send one frame. Raises OSError, of it TimeoutError at `deadline` (monotonic seconds)."""
    _arm(link, deadline)
    link.sendall(len(data).to_bytes(_LENGTH_BYTES, "big"))
    _arm(link, deadline)
    link.sendall(data)


def receive_frame(link: socket.socket, deadline: float | None = None, most: int = MAX_FRAME_BYTES) -> bytes:
    """Return one frame. Raises EOFError if the other side is gone, ValueError if it is too long, OSError as above."""
    length = int.from_bytes(_exactly(link, _LENGTH_BYTES, deadline), "big")
    if length > most:
        raise ValueError("a frame beyond the limit")
    return _exactly(link, length, deadline)


def _exactly(link: socket.socket, count: int, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    while count:
        _arm(link, deadline)
        part = link.recv(min(count, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _arm(link: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    link.settimeout(left)
