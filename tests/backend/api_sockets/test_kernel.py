"""What the kernel keeps for a client that does not read."""

from __future__ import annotations

import asyncio
import socket

from backend.api.sockets.kernel import KERNEL_BYTES, bound_kept, untaken


class Talkative(asyncio.Protocol):
    """Writes until nothing more is taken."""

    def __init__(self, spoken: asyncio.Queue[asyncio.Transport]) -> None:
        self.spoken = spoken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        bound_kept(transport)
        while not transport.get_write_buffer_size():
            transport.write(b"x" * 4096)
        self.spoken.put_nowait(transport)


async def test_a_client_that_does_not_read_costs_no_more_than_it_may() -> None:
    spoken: asyncio.Queue[asyncio.Transport] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Talkative(spoken), "127.0.0.1", 0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        await asyncio.get_running_loop().run_in_executor(None, client.connect, server.sockets[0].getsockname())
        transport = await asyncio.wait_for(spoken.get(), 5)
        assert 8192 < untaken(transport) <= 2 * KERNEL_BYTES
        transport.abort()
    server.close()
