"""A phone and a caller as bare asyncio protocols: thousands of them have to cost less than what they measure."""

from __future__ import annotations

import asyncio
import resource
import struct
from collections.abc import Callable
from typing import Any

import msgspec

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_UPGRADE = (
    "GET /ws/trips/{trip}/chat HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Heard(msgspec.Struct):
    """A frame of the server."""

    event: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(Heard).decode


def framed(opcode: int, payload: bytes) -> bytes:
    """A client's frame, masked with zeros (RFC 6455, 5.2): up to 65,535 bytes."""
    length = len(payload)
    head = (
        struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        if length < 126
        else struct.pack("!BBH", 0x80 | opcode, 0xFE, length)
    )
    return head + b"\0\0\0\0" + payload


class Phone(asyncio.Protocol):
    """Joins one trip, answers pings, and tells what it hears. `joined` fails with RuntimeError when it is refused."""

    def __init__(self, host: str, trip: str, token: str, hear: Callable[[Phone, Heard], None]) -> None:
        self._hello = _UPGRADE.format(trip=trip, host=host).encode()
        self._auth = msgspec.json.encode({"event": "auth", "data": {"token": token}})
        self._hear = hear
        self._unread, self._upgraded = b"", False
        self._transport: Any = None
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def say(self, event: str, data: Any) -> None:
        """Send a frame."""
        self._transport.write(framed(_TEXT, msgspec.json.encode({"event": event, "data": data})))

    def close(self) -> None:
        """Go away as a client does that is in order."""
        if not self._transport.is_closing():
            self._transport.write(framed(_CLOSE, struct.pack("!H", 1000)))
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse(f"the connection ended: {exc}")

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._upgraded and not self._upgrade():
            return
        while (frame := self._take()) is not None:
            self._on_frame(*frame)

    def _upgrade(self) -> bool:
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self._refuse(head[:200].decode(errors="replace"))
            self._transport.close()
            return False
        self._upgraded, self._unread = True, rest
        self._transport.write(framed(_TEXT, self._auth))
        return True

    def _take(self) -> tuple[int, bytes] | None:
        unread = self._unread
        if len(unread) < 2:
            return None
        length, start = unread[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(unread) < start:
                return None
            length = int.from_bytes(unread[2:start], "big")
        if len(unread) < start + length:
            return None
        self._unread = unread[start + length :]
        return unread[0] & 0x0F, unread[start : start + length]

    def _on_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._transport.write(framed(_PONG, payload))
        elif opcode == _TEXT:
            heard = _decode(payload)
            if heard.event == "joined" and not self.joined.done():
                self.joined.set_result(None)
            elif heard.event == "error":
                self._refuse(bytes(heard.data).decode())
            self._hear(self, heard)

    def _refuse(self, why: str) -> None:
        if not self.joined.done():
            self.joined.set_exception(RuntimeError(f"a socket was refused: {why}"))


class HttpCaller:
    """One connection for plain calls, one after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def call(self, method: str, path: str, token: str, body: bytes) -> None:
        """Raises RuntimeError for an answer that is neither 200 nor 204."""
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {token}\r\n"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = answer.partition("content-length:")[2].partition("\r\n")[0]
        told = await self._reader.readexactly(int(length or 0))
        if answer[9:12] not in ("200", "204"):
            raise RuntimeError(f"{method} {path}: {answer[:12]} {told[:200]!r}")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def allow_files(wanted: int) -> None:
    """Let this process and its children open so many files. Raises RuntimeError with what to do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(
            f"this needs {wanted:,} open files a process and the system allows {hard:,}: "
            f"raise the hard limit (`ulimit -Hn {wanted}` as root, LimitNOFILE= of a unit, or limits.conf)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
