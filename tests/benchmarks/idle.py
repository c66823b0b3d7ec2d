"""Memory of an api process for each socket that is open and silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.roster import make_roster
from tests.benchmarks.stacks import Ground, Stack, product

AT_ONCE = 25
#: Sockets that come and go first, so that what is made once is not counted.
EARLIER = 100
SETTLE_S = 3.0


class Memory(msgspec.Struct):
    """KiB of one process, from /proc/PID/smaps_rollup."""

    rss: int
    pss: int


class Idle(msgspec.Struct, kw_only=True):
    """`before` with no socket, `during` with all open, `after` they closed; KiB a socket from the difference."""

    sockets: int
    before: Memory
    during: Memory
    after: Memory
    rss_kib_per_socket: float
    pss_kib_per_socket: float


def measure(ground: Ground, *, sockets: int = 1000) -> Idle:
    """Open `sockets` sockets, a driver and a customer a trip, on one api process, and look at its memory."""
    with product(ground, workers=1) as stack:
        roster = make_roster(stack, sockets // 2, ground.directory / "roster-idle.json")
        seats = [
            (trip["tripId"], trip[role]["token"])
            for trip in json.loads(roster.read_text())
            for role in ("driver", "customer")
        ]
        return asyncio.run(_measure(stack, seats))


async def _measure(stack: Stack, seats: Sequence[tuple[str, str]]) -> Idle:
    pid = stack.groups["api"][0]
    sockets = len(seats)
    async with AsyncExitStack() as earlier:
        await _open(earlier, stack, seats[:EARLIER])
    await asyncio.sleep(SETTLE_S)
    before = memory_of(pid)
    async with AsyncExitStack() as opened:
        await _open(opened, stack, seats)
        await asyncio.sleep(SETTLE_S)
        during = memory_of(pid)
    await asyncio.sleep(SETTLE_S)
    return Idle(
        sockets=sockets,
        before=before,
        during=during,
        after=memory_of(pid),
        rss_kib_per_socket=round((during.rss - before.rss) / sockets, 1),
        pss_kib_per_socket=round((during.pss - before.pss) / sockets, 1),
    )


async def _open(stack_of: AsyncExitStack, stack: Stack, seats: Sequence[tuple[str, str]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(trip: str, token: str) -> None:
        async with gate:
            url = f"{stack.base.replace('http', 'ws', 1)}/ws/trips/{trip}/chat"
            socket = await stack_of.enter_async_context(connect(url, compression=None, ping_interval=None))
            await _join(socket, token)

    await asyncio.gather(*(one(*seat) for seat in seats))


async def _join(socket: ClientConnection, token: str) -> None:
    await socket.send(json.dumps({"event": "auth", "data": {"token": token}}))
    async with asyncio.timeout(20):
        while True:
            event = json.loads(await socket.recv())
            if event["event"] == "joined":
                return
            if event["event"] == "error":
                raise RuntimeError(f"a socket was refused: {event['data']}")


def memory_of(pid: int) -> Memory:
    """RSS and PSS of a process now, in KiB."""
    values = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if ":" in line[:20]
    )
    return Memory(rss=int(values["Rss"].split()[0]), pss=int(values["Pss"].split()[0]))
