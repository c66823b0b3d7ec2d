"""A server that takes every connection and never says a word: a host behind a cut cable, a process that is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def silent_server() -> AsyncGenerator[tuple[str, list[asyncio.StreamWriter]]]:
    """Its address as a Redis URL, and the connections that it took."""
    connections: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", connections
    finally:
        for writer in connections:
            writer.close()
        server.close()
