"""Several processes' limits on one Valkey, and a clock that is moved."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

from redis.asyncio import Redis

from backend.errors import ProblemError
from backend.pipeline.limits import SharedLimits, TokenBuckets
from backend.supervisor.process import start_arguments
from backend.supervisor.valkey import Valkey


class Hosts:
    """`buckets[i]` are those of process i; all share one name that no other test has."""

    def __init__(self, redis: Redis, clients: list[Redis], rate: float, burst: float, *, moved: bool) -> None:
        self.redis, self.now_s = redis, 1_000.0
        self.shared = [SharedLimits(client) for client in clients]
        self.name = uuid4().hex
        clock = {"now": lambda: self.now_s} if moved else {}
        self.buckets = [one.buckets(self.name, rate, burst, **clock) for one in self.shared]

    def take(self, host: int, times: int = 1, key: str = "k") -> int:
        """How many of `times` are let through."""
        return sum(let_through(self.buckets[host], key) for _ in range(times))

    async def move(self, seconds: float) -> None:
        """Let time pass: here on the clock, in Valkey by making what it remembers older."""
        self.now_s += seconds
        async for name in self.redis.scan_iter(f"*{self.name}*"):
            level, at = (await self.redis.get(name)).split()
            await self.redis.set(name, b"%s %d" % (level, int(at) - seconds * 1000), keepttl=True)

    async def reconcile(self, *order: int) -> None:
        """A round of each process, in this order; of all without one."""
        for host in order or range(len(self.shared)):
            await self.shared[host].reconcile()


def let_through(buckets: TokenBuckets, key: str) -> bool:
    """Whether one is let through; a refusal says when to come back."""
    try:
        buckets.take(key)
    except ProblemError as refused:
        if refused.code != "rate_limited" or not refused.retry_after_s or refused.retry_after_s < 0:
            raise
        return False
    return True


@asynccontextmanager
async def hosts(redis_url: str, count: int, rate: float, burst: float, *, moved: bool = True) -> AsyncGenerator[Hosts]:
    """`count` processes; `moved` clocks stand still but for `Hosts.move`."""
    clients = [Redis.from_url(redis_url) for _ in range(count + 1)]
    made = Hosts(clients[0], clients[1:], rate, burst, moved=moved)
    try:
        yield made
    finally:
        for shared in made.shared:
            await shared.close()
        for client in clients:
            await client.aclose()


@asynccontextmanager
async def awake(valkey: Valkey) -> AsyncGenerator[subprocess.Popen[bytes]]:
    """It runs and answers while the block runs; a test may kill it before."""
    spec = valkey.spec()
    command, options = start_arguments(spec)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child: subprocess.Popen[bytes] = cast("Any", subprocess.Popen)(command, **quiet, **options)
    try:
        for _ in range(1000):
            if await spec.ready():
                break
            await asyncio.sleep(0.02)
        yield child
    finally:
        child.kill()
        child.wait()
