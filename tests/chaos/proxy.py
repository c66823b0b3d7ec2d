"""A small TCP proxy between the phones and the api: a balancer, and a network that misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from typing import Any

CONNECT_WITHIN_S = 2.0
#: How long the far end of a connection that vanished is left in the dark, at most.
DARK_S = 30.0


class Link:
    """One connection through the proxy. `dark`: nothing gets through any more, in either direction, and no FIN."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self.near = near
        self.far: asyncio.StreamWriter | None = None
        self.dark = False
        self.delay_s = 0.0
        self.flowing = asyncio.Event()
        self.flowing.set()

    def cut(self, *, reset: bool) -> None:
        """End both sides now: in good order (FIN), or with RST."""
        for writer in (self.near, self.far):
            if writer is None:
                continue
            if reset:
                endpoint: Any = writer.get_extra_info("socket")
                with contextlib.suppress(OSError, AttributeError):  # it may be closed already
                    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Listens on `port`; each connection goes to one of `upstreams` that takes it. A phone is known by its port."""

    def __init__(self, upstreams: list[int], rng: random.Random) -> None:
        self._upstreams, self._rng = upstreams, rng
        self._links: dict[int, Link] = {}
        self._names: dict[str, set[int]] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Begin to listen on the loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links.values()):
            link.cut(reset=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def name(self, near_port: int, name: str) -> None:
        """Say whose connection that is."""
        self._names.setdefault(name, set()).add(near_port)

    def links(self, name: str) -> list[Link]:
        """The open connections of somebody."""
        ports = self._names.get(name, set())
        return [self._links[port] for port in sorted(ports) if port in self._links]

    def all_links(self) -> list[Link]:
        """Every open connection."""
        return list(self._links.values())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        link = self._links[port] = Link(writer)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            far = await self._connect()
            if far is not None:
                link.far = far[1]
                await asyncio.gather(self._pump(reader, far[1], link), self._pump(far[0], writer, link))
        except asyncio.CancelledError:
            return  # `stop` means it; asyncio's own callback would call it an error
        finally:
            self._links.pop(port, None)
            writer.close()
            if link.far is not None:
                link.far.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._rng.sample(self._upstreams, len(self._upstreams)):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await link.flowing.wait()
                if link.delay_s:
                    await asyncio.sleep(link.delay_s)
                if not link.dark:
                    writer.write(data)
                    await writer.drain()
        if link.dark:  # the FIN is lost as well: the other end finds out by itself
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(DARK_S):
                    await writer.wait_closed()
        writer.close()
