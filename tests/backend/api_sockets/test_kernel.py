"""What the kernel keeps for a client that does not read."""

from __future__ import annotations

import asyncio
import socket

from backend.api.sockets.kernel import KERNEL_BYTES, bound_kept, untaken


class Talkative(asyncio.Protocol):
    """Writes until nothing more is taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        bound_kept(transport)
        while not transport.get_write_buffer_size():
            transport.write(b"x" * 4096)


async def test_a_client_that_does_not_read_costs_no_more_than_it_may() -> None:
    spoken: asyncio.Queue[Talkative] = asyncio.Queue()

    def talk() -> Talkative:
        talker = Talkative()
        spoken.put_nowait(talker)
        return talker

    server = await asyncio.get_running_loop().create_server(talk, "127.0.0.1", 0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        await asyncio.get_running_loop().run_in_executor(None, client.connect, server.sockets[0].getsockname())
        talker = await asyncio.wait_for(spoken.get(), 5)
        while not hasattr(talker, "transport"):
            await asyncio.sleep(0)  # noqa: ASYNC110  (made, and connected in the next turn)
        assert 8192 < untaken(talker.transport) <= 2 * KERNEL_BYTES
        talker.transport.abort()
    server.close()
