"""One connection to Valkey that both rings and hears: RESP3, no replies, no task of its own.

With the third version of the protocol what is published arrives as a push on a connection that may speak as well, also
after `CLIENT REPLY OFF`. So a bell costs one write here and one there, and nothing comes back to its ringer. (Valkey
or Redis from 6 on.)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
import msgspec
from redis.asyncio import Redis

#: Bytes that may wait for a Valkey that does not read. Beyond that bells are dropped, and the re-check finds them.
WRITE_BOUND = 4 * 1024 * 1024
#: A payload as large as this is nobody's bell; it ends the line before it fills the memory.
READ_BOUND = 64 * 1024 * 1024
_MORE = object()


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where Valkey is and who we are there. Pub/sub knows no database numbers."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, redis: Redis) -> Address:
        """The address that a client was made for, in any form of its URL: redis, rediss or unix."""
        pool: Any = redis.connection_pool
        # Never connected: it only reads the options of the URL as the library means them.
        sample: Any = pool.connection_class(**pool.connection_kwargs)
        context: Any = getattr(sample, "ssl_context", None)
        return cls(
            host=getattr(sample, "host", "localhost"),
            port=int(getattr(sample, "port", 6379)),
            path=getattr(sample, "path", None),
            username=sample.username,
            password=sample.password,
            tls=context.get() if context is not None else None,
        )

    def greeting(self) -> bytes:
        """The first command: protocol 3, who we are, and a name that an operator finds in `CLIENT LIST`."""
        words = [b"HELLO", b"3"]
        if self.password is not None:
            words += [b"AUTH", (self.username or "default").encode(), self.password.encode()]
        return command(*words, b"SETNAME", b"tripwarden-bell")


class LineRefused(ConnectionError):
    """Valkey answered with an error, or with something that is not its protocol."""


class Line(asyncio.Protocol):
    """Reads pushes as they arrive and hands `(channel, payload)` on; `lost` is done when the connection is gone."""

    def __init__(self, greeting: bytes, channels: Sequence[bytes], on_message: Callable[[bytes, bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        #: Grows with everything that is heard: whoever watches can tell silence from life.
        self.heard = 0
        self._hello = greeting + command(b"SUBSCRIBE", *channels) + command(b"CLIENT", b"REPLY", b"OFF")
        self._unconfirmed = set(channels)
        self._on_message = on_message
        self._reader: Any = hiredis.Reader(notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None

    def write(self, data: bytes) -> bool:
        """Send; False when nobody has read for so long that it was dropped instead."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > WRITE_BOUND:
            return False
        transport.write(data)
        return True

    async def finish(self, within_s: float) -> None:
        """Say no more, and wait until Valkey has read everything and hung up, at most `within_s`."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if transport.can_write_eof():
                transport.write_eof()
            else:
                transport.close()
            await asyncio.wait([self.lost], timeout=within_s)

    def abort(self) -> None:
        """Let go at once; what was not written is gone."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _MORE:
                self._take(reply)
            if self._reader.len() > READ_BOUND:
                raise LineRefused("a reply without an end")
        except (hiredis.ProtocolError, LineRefused) as error:
            self._fail(error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("closed by Valkey"))
        if not self.lost.done():
            self.lost.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)

    def _take(self, reply: Any) -> None:
        if isinstance(reply, list):
            kind, *rest = cast("list[Any]", reply)
            if kind == b"message":
                self._on_message(rest[0], rest[1])
            elif kind == b"subscribe":
                self._unconfirmed.discard(rest[0])
                if not self._unconfirmed and not self.ready.done():
                    self.ready.set_result(None)
        elif isinstance(reply, hiredis.ReplyError):
            # The text of an error may repeat what was sent; its first word says enough.
            raise LineRefused(str(reply).split(" ", 1)[0])


async def connect(address: Address, make: Callable[[], Line], within_s: float) -> Line:
    """A line that is subscribed. Raises OSError, LineRefused, TimeoutError: a Valkey that is silent is none."""
    loop = asyncio.get_running_loop()
    line: Line | None = None

    def kept() -> Line:
        nonlocal line
        line = make()
        return line

    try:
        async with asyncio.timeout(within_s):
            if address.path is not None:
                await loop.create_unix_connection(kept, address.path, ssl=address.tls)
            else:
                name = address.host if address.tls is not None else None
                await loop.create_connection(kept, address.host, address.port, ssl=address.tls, server_hostname=name)
            made = cast("Line", line)
            await made.ready
            return made
    except BaseException:
        if line is not None:
            line.ready.cancel()
            line.abort()
        raise


def command(*parts: bytes) -> bytes:
    """A command in the protocol's own form (RESP: array of bulk strings)."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])
