"""The PROXY protocol, versions 1 and 2, as haproxy's `proxy-protocol.txt` gives it: who was connected to the balancer.

Pure and bounded. What is not exactly as written there is refused: these bytes stand before everything else.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

#: Version 1 is one line of at most so many bytes, its end included.
V1_MAX_BYTES = 107
V1_START = b"PROXY "
V2_START = b"\r\n\r\n\x00\r\nQUIT\n"
#: Of version 2 the fixed part; what follows it (addresses, then extensions) may be at most so long.
V2_HEAD_BYTES = 16
V2_MAX_REST_BYTES = 4096

_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_STREAM_IPV4, _STREAM_IPV6 = 0x11, 0x21
#: Unspecified, and unix sockets: nothing in them is an address that could be limited.
_WITHOUT_ADDRESS = {0x00, 0x31}


class HeaderError(ValueError):
    """These bytes begin no PROXY header."""


class Source(NamedTuple):
    """Where the connection to the balancer came from; no `address`: from itself, or it is not said."""

    address: str | None
    port: int
    #: Bytes of the header; what follows is the client's.
    size: int


def read_header(data: bytes) -> Source | None:
    """The header at the start of `data`; None while it is not whole. Raises HeaderError."""
    if data[:1] == b"P":
        return _read_line(data)
    if V2_START.startswith(data[: len(V2_START)]):
        return _read_binary(data)
    raise HeaderError("neither version 1 nor 2")


def _read_line(data: bytes) -> Source | None:
    if not data.startswith(V1_START[: len(data)]):
        raise HeaderError("not PROXY")
    end = data.find(b"\r\n", 0, V1_MAX_BYTES)
    if end < 0:
        if len(data) >= V1_MAX_BYTES:
            raise HeaderError("a line without an end")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Source(None, 0, end + 2)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise HeaderError("not five words of TCP")
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    address, _ = (_address(word, kind) for word in words[2:4])
    port, _ = (_port(word) for word in words[4:])
    return Source(address, port, end + 2)


def _address(word: bytes, kind: type[IPv4Address | IPv6Address]) -> str:
    try:
        found = kind(word.decode("ascii"))
    except ValueError as error:
        raise HeaderError("not an address") from error
    if b"%" in word:
        raise HeaderError("an address of one machine only")
    return plain(found)


def _port(word: bytes) -> int:
    if not _PORT.fullmatch(word) or int(word) > 65_535:
        raise HeaderError("not a port")
    return int(word)


def _read_binary(data: bytes) -> Source | None:
    if len(data) < V2_HEAD_BYTES:
        return None
    version_and_command, kind, rest = data[12], data[13], int.from_bytes(data[14:16], "big")
    if version_and_command not in (0x20, 0x21) or rest > V2_MAX_REST_BYTES:
        raise HeaderError("not version 2, or too long")
    size = V2_HEAD_BYTES + rest
    if version_and_command == 0x20 or kind in _WITHOUT_ADDRESS:
        # LOCAL: the balancer itself asks whether we are well.
        return Source(None, 0, size) if len(data) >= size else None
    if kind not in (_STREAM_IPV4, _STREAM_IPV6):
        raise HeaderError("not a stream")
    width = 4 if kind == _STREAM_IPV4 else 16
    if rest < 2 * width + 4:
        raise HeaderError("too short for its addresses")
    if len(data) < size:
        return None
    raw = data[V2_HEAD_BYTES : V2_HEAD_BYTES + width]
    port = int.from_bytes(data[V2_HEAD_BYTES + 2 * width :][:2], "big")
    return Source(plain(IPv4Address(raw) if width == 4 else IPv6Address(raw)), port, size)


def plain(address: IPv4Address | IPv6Address) -> str:
    """An address in its usual form; one of IPv4 in its own, also where a socket for both kinds calls it ::ffff:..."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
