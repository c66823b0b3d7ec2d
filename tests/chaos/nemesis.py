"""The enemy: breaks what can break, in an order and with pauses that follow from a seed, and mends it again.

The schedule is made before anything runs, so that a seed says who suffers what, when and for how long.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import asyncpg
import msgspec
import redis.asyncio
import redis.exceptions

from tests.chaos.house import House
from tests.chaos.phone import Phone
from tests.chaos.proxy import Link, Proxy

#: kind of act -> (shortest, longest) time until it is healed, in seconds; 0: it is done at once.
KINDS: dict[str, tuple[float, float]] = {
    "api killed": (0.2, 2.0),
    "api stopped": (0.2, 1.0),
    "api frozen": (0.5, 8.0),
    "valkey killed": (0.1, 4.0),
    "valkey flushed": (0.0, 0.0),
    "valkey frozen": (0.5, 7.0),
    "valkey clients killed": (0.0, 0.0),
    "backends terminated": (0.0, 0.0),
    "postgres restarted": (0.0, 0.5),
    "line dark": (8.0, 14.0),
    "line stalled": (0.5, 4.0),
    "line slow": (1.0, 5.0),
    "line cut": (0.0, 0.0),
    "line reset": (0.0, 0.0),
    "all lines reset": (0.0, 0.0),
    "phone deaf": (2.0, 13.0),
    "phone away": (1.0, 12.0),
}
#: What two acts may not do at once.
PARTS = ("api-1", "api-2", "api-3", "api-4", "valkey", "postgres")


class Act(msgspec.Struct):
    """Something that happens: `at` seconds after the beginning, to `target`, until `lasts_s` later."""

    at: float
    kind: str
    target: str
    lasts_s: float
    healed_at: float | None = None
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.kind:<22} {self.target:<24} {f'{self.lasts_s:.1f} s' if self.lasts_s else ''}"


def plan(
    seed: int,
    seconds: float,
    phones: Sequence[str],
    apis: int,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    pause_s: float = 1.6,
) -> list[Act]:
    """The schedule of a seed. Kinds are dealt like cards, so that each comes before any comes again."""
    rng = random.Random(f"nemesis/{seed}")
    acts: list[Act] = []
    busy: dict[str, float] = {}
    deck: list[str] = []
    at = rng.uniform(0.5, 1.5)
    while at < seconds:
        deck = deck or rng.sample(kinds, len(kinds))
        kind = deck.pop()
        target = _target(kind, rng, phones, apis)
        shortest, longest = KINDS[kind]
        lasts_s = round(rng.uniform(shortest, longest), 2)
        if busy.get(target, 0.0) <= at:
            acts.append(Act(round(at, 2), kind, target, lasts_s))
            busy[target] = at + lasts_s + 1.0
        at += rng.expovariate(1 / pause_s)
    return acts


def _target(kind: str, rng: random.Random, phones: Sequence[str], apis: int) -> str:
    part = kind.split()[0]
    if part == "api":
        return f"api-{rng.randint(1, apis)}"
    if part in ("line", "phone"):
        return rng.choice(phones)
    if part == "all":
        return "everybody"
    return "postgres" if part in ("postgres", "backends") else "valkey"


class Nemesis:
    """Carries a schedule out."""

    def __init__(self, house: House, proxy: Proxy, phones: Mapping[str, Phone], began: float) -> None:
        self._house, self._proxy, self._phones, self._began = house, proxy, phones, began

    async def run(self, acts: Sequence[Act], tell: Callable[[str], None]) -> None:
        """Every act at its time, each healed after its own."""
        async with asyncio.TaskGroup() as group:
            for act in acts:
                await asyncio.sleep(max(0.0, self._began + act.at - time.monotonic()))
                tell(str(act))
                group.create_task(self._do(act))

    async def _do(self, act: Act) -> None:
        do = cast("Callable[[Act], Awaitable[None]]", getattr(self, "_" + act.kind.replace(" ", "_")))
        try:
            await do(act)
        except (OSError, TimeoutError, RuntimeError, asyncpg.PostgresError, redis.exceptions.RedisError) as error:
            act.fault = repr(error)  # what it wanted to break was broken already
        act.healed_at = round(time.monotonic() - self._began, 3)

    # -- processes -------------------------------------------------------------------------------------------------

    async def _api_killed(self, act: Act) -> None:
        await self._end(act, signal.SIGKILL)

    async def _api_stopped(self, act: Act) -> None:
        await self._end(act, signal.SIGTERM)

    async def _valkey_killed(self, act: Act) -> None:
        await self._end(act, signal.SIGKILL)

    async def _postgres_restarted(self, act: Act) -> None:
        await self._end(act, signal.SIGQUIT)  # PostgreSQL's immediate shutdown: as if the machine had lost power

    async def _end(self, act: Act, number: int) -> None:
        child = self._house.children[act.target]
        await child.end(number)
        await asyncio.sleep(act.lasts_s)
        child.start()
        await child.ready()

    async def _api_frozen(self, act: Act) -> None:
        await self._freeze(act)

    async def _valkey_frozen(self, act: Act) -> None:
        await self._freeze(act)

    async def _freeze(self, act: Act) -> None:
        child = self._house.children[act.target]
        child.signal(signal.SIGSTOP)
        await asyncio.sleep(act.lasts_s)
        child.signal(signal.SIGCONT)

    # -- engines, from inside --------------------------------------------------------------------------------------

    async def _valkey_flushed(self, act: Act) -> None:
        await self._tell_valkey("FLUSHALL")

    async def _valkey_clients_killed(self, act: Act) -> None:
        await self._tell_valkey("CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal SKIPME yes")

    async def _tell_valkey(self, *commands: str) -> None:
        client: Any = cast("Any", redis.asyncio.Redis).from_url(
            self._house.valkey.url, socket_connect_timeout=1, socket_timeout=1
        )
        try:
            for command in commands:
                await client.execute_command(*command.split())
        finally:
            await client.aclose()

    async def _backends_terminated(self, act: Act) -> None:
        connection = await self._house.connect()
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()

    # -- lines and phones ------------------------------------------------------------------------------------------

    async def _line_dark(self, act: Act) -> None:
        for link in self._proxy.links(act.target):
            link.dark = True
        await asyncio.sleep(act.lasts_s)

    async def _line_stalled(self, act: Act) -> None:
        links = self._proxy.links(act.target)
        for link in links:
            link.flowing.clear()
        await asyncio.sleep(act.lasts_s)
        for link in links:
            link.flowing.set()

    async def _line_slow(self, act: Act) -> None:
        links = self._proxy.links(act.target)
        for link in links:
            link.delay_s = 0.25
        await asyncio.sleep(act.lasts_s)
        for link in links:
            link.delay_s = 0.0

    async def _line_cut(self, act: Act) -> None:
        _cut(self._proxy.links(act.target), reset=False)

    async def _line_reset(self, act: Act) -> None:
        _cut(self._proxy.links(act.target), reset=True)

    async def _all_lines_reset(self, act: Act) -> None:
        _cut(self._proxy.all_links(), reset=True)

    async def _phone_deaf(self, act: Act) -> None:
        self._phones[act.target].turn_deaf(act.lasts_s)
        await asyncio.sleep(act.lasts_s)

    async def _phone_away(self, act: Act) -> None:
        self._phones[act.target].go_away(act.lasts_s)
        await asyncio.sleep(act.lasts_s)


def _cut(links: Sequence[Link], *, reset: bool) -> None:
    for link in links:
        with contextlib.suppress(OSError):
            link.cut(reset=reset)
