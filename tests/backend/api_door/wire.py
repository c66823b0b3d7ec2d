"""A bare line to an api: bytes there, whole answers back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple


class Heard(NamedTuple):
    """One answer: status line, headers in any order, body."""

    status: bytes
    headers: frozenset[bytes]
    body: bytes


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *parts: bytes, pause_s: float = 0.0) -> None:
        """Send the parts, each in a packet of its own where there is a pause."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            if pause_s:
                await asyncio.sleep(pause_s)

    async def hear(self, within_s: float = 10.0) -> Heard:
        """The next answer, whole."""
        async with asyncio.timeout(within_s):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status, *headers = head.rstrip(b"\r\n").split(b"\r\n")
            length = next(int(line.split(b":")[1]) for line in headers if line.lower().startswith(b"content-length:"))
            return Heard(status, frozenset(headers), await self.reader.readexactly(length))

    async def is_closed(self, within_s: float = 5.0) -> bool:
        """Whether the other end closes without a word more."""
        async with asyncio.timeout(within_s):
            return await self.reader.read() == b""


@asynccontextmanager
async def dialled(api_url: str) -> AsyncGenerator[Line]:
    """A line to the api, hung up afterwards."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api_url.rsplit(":", 1)[1]))
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


def request(path: str, body: bytes, *headers: bytes, host: bytes = b"tripwarden") -> bytes:
    """A POST with its length."""
    lines = [b"POST %b HTTP/1.1" % path.encode(), b"host: " + host, *headers, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> None:
    """Wait for something to come true. Raises TimeoutError."""
    for _ in range(int(within_s / 0.01)):
        if await holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
