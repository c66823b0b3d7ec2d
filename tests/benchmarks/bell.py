"""`python -m tests.benchmarks.bell`: what a bell between processes costs, what a re-check costs, what a hub keeps.

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
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psutil
import uvloop
from redis.asyncio import Redis

from backend.keys import DataKey
from backend.migrations import migrate
from backend.realtime import Audience, ChatEvent, Hub, Numbered
from backend.supervisor.engines import Engines, running
from tests.benchmarks import machine

RESULTS = Path(__file__).parent / "results"
RATES = (150, 600)
SECONDS = 6.0
TRIPS = [UUID(int=number) for number in range(1, 101)]
FRAME = b"x" * 420
_TRIP = """
INSERT INTO trip_chat (trip_id, driver_id, customer_id, expire_on, verdict_expire_on, seq_driver, seq_customer)
SELECT trip, trip, trip, current_date, current_date, 3, 3 FROM unnest($1::uuid[]) AS trip
"""


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

    def whisper(self, frame: bytes) -> None:
        """Nothing."""


async def _nothing(trip_id: UUID, audience: Audience, after: int) -> Sequence[Numbered]:
    return []


def new_hub(url: str, pool: Any) -> Hub:
    return Hub(Redis.from_url(url), DataKey(b"k" * 32), lambda: pool)


async def live(role: str, url: str, rate: float) -> None:
    """One process of the measurement; prints what it used as JSON."""
    hub, sockets = new_hub(url, Rows()), [Socket() for _ in TRIPS]
    await hub.start(_nothing)
    if role == "hears":
        for trip_id, socket in zip(TRIPS, sockets, strict=True):
            await hub.attach(trip_id, "customer", socket, 0)
    await asyncio.sleep(2.5)
    before, writes = resource.getrusage(resource.RUSAGE_SELF), hub.bus.writes
    messages = await _talk(hub, rate, silent=role == "keeps time") if role != "hears" else await _hear(sockets)
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


async def _talk(hub: Hub, rate: float, *, silent: bool) -> int:
    began, said = time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        part = Numbered(said // len(TRIPS) + 1, FRAME)
        if not silent:
            hub.announce(ChatEvent(TRIPS[said % len(TRIPS)], part, part))
        said += 1
        await asyncio.sleep(max(0.0, began + said / rate - time.monotonic()))
    return said


async def _hear(sockets: list[Socket]) -> int:
    await asyncio.sleep(SECONDS)
    return sum(socket.heard for socket in sockets)


def bells(url: str, valkey_pid: int) -> list[dict[str, Any]]:
    """Each set of processes at each rate."""
    found: list[dict[str, Any]] = []
    for rate in RATES:
        for roles in (("keeps time",), ("rings",), ("rings", "hears")):
            before = sum(psutil.Process(valkey_pid).cpu_times()[:2])
            command = [sys.executable, "-m", "tests.benchmarks.bell", "--url", url, "--rate", str(rate), "--role"]
            children = [subprocess.Popen([*command, role], stdout=subprocess.PIPE, text=True) for role in roles]
            used = [json.loads(child.communicate()[0].strip().splitlines()[-1]) for child in children]
            valkey_s = sum(psutil.Process(valkey_pid).cpu_times()[:2]) - before
            found.append({"rate": rate, "processes": used, "valkey_us": round(valkey_s / SECONDS / rate * 1e6, 1)})
    return found


async def rechecks(url: str) -> list[dict[str, Any]]:
    """One look at trips that are all as they should be; `cpu_ms` of the process that looks."""
    await migrate(url)
    pool: Any = await asyncpg.create_pool(url, min_size=1, max_size=2)
    trips, found = [uuid4() for _ in range(20_000)], list[dict[str, Any]]()
    await pool.execute(_TRIP, trips)
    await pool.execute("ANALYZE trip_chat")
    for count in (2_000, 20_000):
        hub = new_hub("redis://localhost", pool)
        for trip_id in trips[:count]:
            for side in ("driver", "customer"):
                await hub.attach(trip_id, side, Socket(3), 3)
        await hub._recheck.look()
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(10):
            await hub._recheck.look()
        wall_ms, cpu_ms = (time.perf_counter() - began) * 100, (time.process_time() - cpu) * 100
        found.append({"trips": count, "wall_ms": round(wall_ms, 1), "cpu_ms": round(cpu_ms, 1)})
    await pool.close()
    return found


async def memory(trips: int = 20_000) -> dict[str, float]:
    """Bytes that a hub keeps: a trip with two sockets here, a trip of a neighbour, a trip announced just now."""
    here, there = new_hub("redis://localhost", Rows()), new_hub("redis://localhost", Rows())
    letters: list[bytes] = []
    here.bus.ring = lambda channels, payload: letters.append(payload)
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


def measure(engines: Engines) -> dict[str, Any]:
    """Everything of this file."""
    port = engines.valkey.port
    pid = next(
        link.pid for link in psutil.net_connections("tcp") if link.laddr.port == port and link.status == "LISTEN"
    )
    assert pid is not None
    return {
        "bells": bells(engines.valkey.url, pid),
        "recheck": asyncio.run(rechecks(engines.postgres.url("postgres"))),
        "memory_bytes": asyncio.run(memory()),
    }


def main() -> None:
    """The command line: without arguments everything, with them one process of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bell", description=__doc__)
    parser.add_argument("--role")
    parser.add_argument("--url")
    parser.add_argument("--rate", type=float)
    chosen = parser.parse_args()
    if chosen.role:
        uvloop.run(live(chosen.role, chosen.url, chosen.rate))
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        with running(Path(name)) as engines:
            now = datetime.now(UTC)
            report = {"measured_at": now.isoformat(timespec="seconds"), "machine": machine.describe(Path(name))}
            report |= measure(engines)
    written = json.dumps(report, indent=1)
    (RESULTS / f"{now:%Y%m%d-%H%M}-bell.json").write_text(written + "\n")
    print(written)


if __name__ == "__main__":
    main()
