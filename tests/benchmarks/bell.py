"""What a bell between processes costs, what a re-check costs, what a hub keeps.

A ringer announces at a rate, a hearer has a socket of every trip, and a third process only keeps the same time. What
the ringer uses beyond that is the bell's; of the hearer, which has no clock of its own, all is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import psutil
import uvloop
from redis.asyncio import Redis

from backend.keys import DataKey
from backend.migrations import migrate
from backend.realtime import Audience, ChatEvent, Hub, Numbered
from backend.supervisor.engines import Engines

RATES = (150, 600)
SECONDS = 6.0
TRIPS = [UUID(int=number) for number in range(1, 101)]
FRAME = b"x" * 420
_TRIP = """
INSERT INTO trip_chat (trip_id, driver_id, customer_id, expire_on, verdict_expire_on, seq_driver, seq_customer)
SELECT trip, trip, trip, current_date, current_date, 3, 3 FROM unnest($1::uuid[]) AS trip
"""


class Bell(msgspec.Struct, kw_only=True):
    """`bells`: by rate and set of processes, us of CPU a message; `recheck`: by trips, ms a look; bytes a trip."""

    bells: list[dict[str, Any]]
    recheck: list[dict[str, float]]
    memory_bytes: dict[str, float]


class Rows:
    """A database in which nothing is ever missed."""

    async def fetch(self, *_: Any) -> list[Any]:
        return []

    async def fetchval(self, *_: Any) -> None:
        return None


class Socket:
    """Takes everything and does nothing."""

    __slots__ = ("cursor", "heard")

    def __init__(self, cursor: int = 0) -> None:
        self.cursor, self.heard = cursor, 0

    def offer(self, seq: int, frame: bytes) -> None:
        self.cursor = seq
        self.heard += 1

    def whisper(self, frame: bytes, mark: object = None) -> None:
        """Nothing."""


async def _nothing(trip_id: UUID, audience: Audience, after: int) -> Sequence[Numbered]:
    return []


def new_hub(url: str, pool: Any) -> Hub:
    redis: Any = Redis
    return Hub(redis.from_url(url), DataKey(b"k" * 32), lambda: pool)


async def live(role: str, url: str, rate: float, seconds: float) -> None:
    """One process of the measurement; prints what it used as JSON."""
    hub, sockets = new_hub(url, Rows()), [Socket() for _ in TRIPS]
    await hub.start(_nothing)
    if role == "hears":
        for trip_id, socket in zip(TRIPS, sockets, strict=True):
            await hub.attach(trip_id, "customer", socket, 0)
    await asyncio.sleep(2.5)
    before, writes = resource.getrusage(resource.RUSAGE_SELF), hub.bus.writes
    messages = await (
        _hear(sockets, seconds) if role == "hears" else _talk(hub, rate, seconds, silent=role == "keeps time")
    )
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    used = {
        "role": role,
        "messages": messages,
        "cpu_us": round(cpu_s / messages * 1e6, 1),
        "sleeps": round((after.ru_nvcsw - before.ru_nvcsw) / messages, 2),
        "writes": round((hub.bus.writes - writes) / messages, 2),
    }
    print(json.dumps(used), flush=True)
    await hub.stop()


async def _talk(hub: Hub, rate: float, seconds: float, *, silent: bool) -> int:
    began, said = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        part = Numbered(said // len(TRIPS) + 1, FRAME)
        if not silent:
            hub.announce(ChatEvent(TRIPS[said % len(TRIPS)], part, part))
        said += 1
        await asyncio.sleep(max(0.0, began + said / rate - time.monotonic()))
    return said


async def _hear(sockets: list[Socket], seconds: float) -> int:
    await asyncio.sleep(seconds)
    return sum(socket.heard for socket in sockets)


def bells(url: str, valkey_pid: int, rates: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Each set of processes at each rate."""
    found: list[dict[str, Any]] = []
    for rate in rates:
        for roles in (("keeps time",), ("rings",), ("rings", "hears")):
            before = sum(psutil.Process(valkey_pid).cpu_times()[:2])
            command = [sys.executable, "-m", "tests.benchmarks.bell", "--url", url, "--rate", str(rate)]
            command += ["--seconds", str(seconds), "--role"]
            children = [subprocess.Popen([*command, role], stdout=subprocess.PIPE, text=True) for role in roles]
            used = [json.loads(child.communicate()[0].strip().splitlines()[-1]) for child in children]
            valkey_s = sum(psutil.Process(valkey_pid).cpu_times()[:2]) - before
            found.append({"rate": rate, "processes": used, "valkey_us": round(valkey_s / seconds / rate * 1e6, 1)})
    return found


async def rechecks(url: str) -> list[dict[str, float]]:
    """One look at trips that are all as they should be, by their number; in a database that holds nothing else."""
    await migrate(url)
    driver: Any = asyncpg
    pool = await driver.create_pool(url, min_size=1, max_size=2)
    trips = [uuid4() for _ in range(20_000)]
    await pool.execute(_TRIP, trips)
    await pool.execute("ANALYZE trip_chat")
    found = [await recheck_cost(pool, [(trip, 3, 3) for trip in trips[:count]]) for count in (2_000, 20_000)]
    await pool.close()
    return found


async def recheck_cost(pool: Any, trips: Sequence[tuple[UUID, int, int]]) -> dict[str, float]:
    """One look at these trips (id, the driver's and the customer's last number): `cpu_ms` of the process that looks."""
    hub: Any = new_hub("redis://localhost", pool)
    for trip_id, driver, customer in trips:
        await hub.attach(trip_id, "driver", Socket(driver), driver)
        await hub.attach(trip_id, "customer", Socket(customer), customer)
    await hub._recheck.look()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(10):
        await hub._recheck.look()
    wall_ms, cpu_ms = (time.perf_counter() - began) * 100, (time.process_time() - cpu) * 100
    return {"trips": len(trips), "wall_ms": round(wall_ms, 1), "cpu_ms": round(cpu_ms, 1)}


async def memory(trips: int = 20_000) -> dict[str, float]:
    """Bytes that a hub keeps: a trip with two sockets here, a trip of a neighbour, a trip announced just now."""
    here: Any
    there: Any
    here, there = new_hub("redis://localhost", Rows()), new_hub("redis://localhost", Rows())
    letters: list[bytes] = []
    here.bus.ring = lambda _, payload: letters.append(payload)  # pyright: ignore
    ids, sockets = [uuid4() for _ in range(trips)], [(Socket(), Socket()) for _ in range(trips)]
    tracemalloc.start()
    sizes = [tracemalloc.get_traced_memory()[0]]
    for trip_id, (driver, customer) in zip(ids, sockets, strict=True):
        await here.attach(trip_id, "driver", driver, 0)
        await here.attach(trip_id, "customer", customer, 0)
    here._say()
    sizes.append(tracemalloc.get_traced_memory()[0])
    there._on_payload(b"", letters[-1])
    sizes.append(tracemalloc.get_traced_memory()[0])
    for number, trip_id in enumerate(ids[: trips // 2], 1_000):
        part = Numbered(number, b"")
        there._recent.note(ChatEvent(UUID(bytes=trip_id.bytes), part, part))
    sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    names = {"local_trip": trips, "neighbours_trip": trips, "announced_trip": trips // 2}
    return {
        name: round((after - before) / count)
        for (name, count), before, after in zip(names.items(), sizes, sizes[1:], strict=False)
    }


def measure(engines: Engines, database_url: str, *, rates: Sequence[int], seconds: float) -> Bell:
    """Everything of this file; `database_url`: one without rows, that may keep those it gets."""
    port = engines.valkey.port
    links: list[Any] = psutil.net_connections("tcp")
    pid = next(link.pid for link in links if link.laddr.port == port and link.status == "LISTEN")
    assert pid is not None
    return Bell(
        bells=bells(engines.valkey.url, pid, rates, seconds),
        recheck=asyncio.run(rechecks(database_url)),
        memory_bytes=asyncio.run(memory()),
    )


def main() -> None:
    """One process of the measurement; the whole of it is `python -m tests.benchmarks --only bell`."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bell", description=__doc__)
    parser.add_argument("--role", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    chosen = parser.parse_args()
    uvloop.run(live(chosen.role, chosen.url, chosen.rate, chosen.seconds))


if __name__ == "__main__":
    main()
