"""WebSocket frames as bytes: what we send by hand, what we receive through the parser of `websockets` (RFC 6455)."""

from __future__ import annotations

import logging
import struct
from types import GeneratorType
from typing import cast

from websockets.protocol import OPEN, SERVER, Protocol
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:  # built without a compiler
    from websockets.utils import apply_mask

#: An empty ping of ours, and the two first bytes and the length of its masked answer.
PING = b"\x89\x00"
PONG_HEAD, PONG_SIZE = b"\x8a\x80", 6

#: Where a parser waits between two frames. An empty buffer says less: the head of a frame may be read already.
_BETWEEN = StreamReader.at_eof.__code__

_SHORT = [bytes((0x81, size)) for size in range(126)]
_MEDIUM = struct.Struct("!BBH")
_LONG = struct.Struct("!BBQ")


def text_frame(payload: bytes) -> bytes:
    """A whole text frame of a server: unmasked, in one piece (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return _SHORT[size] + payload
    if size < 65_536:
        return _MEDIUM.pack(0x81, 126, size) + payload
    return _LONG.pack(0x81, 127, size) + payload


def whole_text(data: bytes, max_size: int) -> bytes | None:
    """The payload of `data` where it is one whole, masked text frame of a client and nothing else (RFC 6455, 5.2).

    That is what clients send nearly always. None for anything else, and for anything wrong: the parser says what.
    """
    size = len(data)
    if size < 6 or data[0] != 0x81:
        return None
    told = data[1] - 0x80
    if 0 <= told < 126:
        start, length = 2, told
    elif told == 126 and size >= 8:
        start, length = 4, data[2] << 8 | data[3]
        if length < 126:
            return None
    else:
        return None
    if size != start + 4 + length or length > max_size:
        return None
    return apply_mask(data[start + 4 :], data[start : start + 4])


class Parsers:
    """Parsers to borrow. Between two frames a socket needs none, and a parser is most of what a socket would hold."""

    #: Parsers that wait for the next one who has something to read; more than one only when frames come in pieces.
    KEPT = 16

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._free: list[Protocol] = []
        self._logger = logging.getLogger("websockets.server")

    def borrow(self) -> Protocol:
        """A parser that stands before the first byte of a frame."""
        if self._free:
            return self._free.pop()
        return Protocol(SERVER, state=OPEN, max_size=self.max_size, logger=self._logger)

    def take_back(self, parser: Protocol) -> bool:
        """Take a parser that stands between two messages; False where the socket has to keep it."""
        waits_in = cast("GeneratorType[None, None, None]", parser.parser).gi_yieldfrom
        if not isinstance(waits_in, GeneratorType) or waits_in.gi_code is not _BETWEEN:
            return False
        if parser.state is not OPEN or parser.current_size is not None or parser.reader.buffer:
            return False
        if len(self._free) < self.KEPT:
            self._free.append(parser)
        return True
