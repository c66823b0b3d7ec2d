"""Many trips at once: 20,000 known, 2,000 active with a driver and a rider each, on two api processes.

The clients run in this process and share the cores with what they measure; what they used is in the result.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec
import uvloop

from backend.accounts.tokens import TokenService
from tests.benchmarks.bell import recheck_cost
from tests.benchmarks.cpu import MACHINE, Sampler
from tests.benchmarks.crowd import Crowd, Latency
from tests.benchmarks.idle import memory_of
from tests.benchmarks.roster import VALID_FOR_S, Seat, make_roster, more_trips
from tests.benchmarks.stacks import Ground, Stack, product
from tests.benchmarks.storage import Sizes, Storage, log_is_in_order
from tests.benchmarks.wire import HttpCaller, allow_files

AT_ONCE = 64
_CONNECTIONS = """
SELECT application_name AS name, count(*)::int AS count FROM pg_stat_activity
WHERE application_name LIKE 'tripwarden%' GROUP BY 1 ORDER BY 1
"""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much. `rate` in messages a second over all trips; `burst` messages a driver for what is stored."""

    known: int = 20_000
    active: int = 2_000
    rate: int = 100
    seconds: float = 15.0
    idle_s: float = 10.0
    burst: int = 10
    settle_s: float = 3.0


WHOLE = Plan()
QUICK = Plan(known=2_000, active=200, seconds=4.0, idle_s=3.0, burst=5, settle_s=1.0)


class Look(msgspec.Struct):
    """RSS and PSS of each api process in KiB at one moment, and the sockets it had."""

    rss: list[int]
    pss: list[int]
    sockets: list[int]


class Scale(msgspec.Struct, kw_only=True):
    """CPU in ms a second for `idle_ms_per_s`, in us each for what ends in `_us`, by group of processes.

    `trip_storage`: what a new trip takes on the disk; `connections`: to PostgreSQL, of all processes together."""

    plan: Plan
    looks: dict[str, Look]
    kib_per_known_trip: float
    kib_per_active_trip: float
    kib_per_socket: float
    joins_per_s: float
    join_us: dict[str, float]
    idle_ms_per_s: dict[str, float]
    recheck: dict[str, float]
    first: Latency
    steady: Latency
    message_us: dict[str, float]
    burst: Latency
    storage: Storage
    trip_us: dict[str, float] = {}
    trip_storage: Storage | None = None
    position_us: dict[str, float]
    connections: dict[str, int]
    client_cores: dict[str, float]


def measure(ground: Ground, plan: Plan = WHOLE) -> Scale:
    """Everything of this file. Raises RuntimeError when too few open files are allowed, or a socket is refused."""
    allow_files(plan.active * 2 + 1_000)
    with product(ground, workers=2) as stack:
        url, path = ground.engines.postgres.url("postgres"), ground.directory / "roster-scale.json"
        before = uvloop.run(_sizes(url))
        sampler = Sampler({**stack.groups, **ground.engine_pids}, trees=tuple(ground.engine_pids))
        with sampler.running():
            begun = time.monotonic()
            make_roster(stack, plan.active, path)
        trip_us = _each(sampler.between(begun), plan.active / 1e6)
        del trip_us[MACHINE]
        trip_storage = before.grown_by(plan.active, uvloop.run(_sizes(url)))
        roster = json.loads(path.read_text())
        found = uvloop.run(_Measured(ground, stack, roster, plan).run())
    return msgspec.structs.replace(found, trip_us=trip_us, trip_storage=trip_storage)


async def _sizes(url: str) -> Sizes:
    driver: Any = asyncpg
    connection = await driver.connect(url)
    try:
        await _until(lambda: log_is_in_order(connection))
        return await Sizes.read(connection)
    finally:
        await connection.close()


class _Measured:
    def __init__(self, ground: Ground, stack: Stack, roster: Sequence[Mapping[str, Any]], plan: Plan) -> None:
        self._ground, self._stack, self._roster, self._plan = ground, stack, roster, plan
        self._groups = {**stack.groups, **ground.engine_pids}
        self._looks: dict[str, Look] = {}
        self._client_cores: dict[str, float] = {}
        place = urlsplit(stack.base)
        self._host, self._port = str(place.hostname), int(place.port or 80)
        self._crowd = Crowd(self._host, self._port, roster)

    async def run(self) -> Scale:
        plan, url = self._plan, self._ground.engines.postgres.url("postgres")
        driver: Any = asyncpg
        database = await driver.create_pool(url, min_size=1, max_size=2)
        others = await more_trips(
            database, self._stack.settings, plan.known - plan.active, UUID(self._roster[0]["tripId"])
        )
        await self._look("before")
        await self._read_all(others)
        await self._look("known")
        joining, joined_s = await self._cost("join", self._crowd.join(AT_ONCE))
        await self._look("open")
        idle, idle_s = await self._cost("idle", asyncio.sleep(plan.idle_s))
        recheck = await self._recheck(database)
        first = await self._crowd.talk(plan.rate * 2, plan.active / plan.rate / 2)
        steady, _ = await self._cost("messages", self._keep(self._crowd.talk(plan.rate, plan.seconds)))
        told: Latency = self._kept
        moving, _ = await self._cost("positions", self._move_all())
        burst, storage = await self._burst(database)
        await self._look("used")
        connections = await database.fetch(_CONNECTIONS)
        self._crowd.leave()
        await self._look("after")
        await database.close()
        return self._result(
            joins_per_s=round(plan.active * 2 / joined_s, 1),
            join_us=_each(joining, plan.active * 2 / 1e6),
            idle_ms_per_s=_each(idle, idle_s / 1e3),
            recheck=recheck, first=first, steady=told, message_us=_each(steady, max(1, told.delivered) / 1e6),
            burst=burst, storage=storage, position_us=_each(moving, plan.active / 1e6),
            connections={row["name"]: row["count"] for row in connections},
        )  # fmt: skip

    def _result(self, **found: Any) -> Scale:
        before, known, opened = (sum(self._looks[name].rss) for name in ("before", "known", "open"))
        active = self._plan.active
        return Scale(
            plan=self._plan,
            looks=self._looks,
            kib_per_known_trip=round((known - before) / self._plan.known, 2),
            kib_per_active_trip=round((opened - known) / active, 1),
            kib_per_socket=round((opened - known) / active / 2, 1),
            client_cores=self._client_cores,
            **found,
        )

    async def _look(self, name: str) -> None:
        await asyncio.sleep(self._plan.settle_s)
        found = [memory_of(pid) for pid in self._stack.groups["api"]]
        sockets = [self._crowd.sockets_of(pid) for pid in self._stack.groups["api"]]
        self._looks[name] = Look([one.rss for one in found], [one.pss for one in found], sockets)

    async def _cost(self, name: str, work: Awaitable[Any]) -> tuple[dict[str, float], float]:
        """Seconds of CPU by group while it lasts, and how long it lasts."""
        sampler = Sampler(self._groups, trees=tuple(self._ground.engine_pids))
        with sampler.running():
            begun, own = time.monotonic(), time.process_time()
            await work
            lasted = time.monotonic() - begun
            self._client_cores[name] = round((time.process_time() - own) / lasted, 2)
        used = sampler.between(begun)
        return {group: used[group] for group in self._groups}, lasted

    async def _keep(self, work: Awaitable[Latency]) -> None:
        self._kept = await work

    async def _read_all(self, others: Sequence[Seat]) -> None:
        """One page of each trip: then the processes know it, its people's standing and their tokens."""
        seats = [*others, *((trip["tripId"], trip["driver"]["token"]) for trip in self._roster)]
        await self._call_all([("GET", f"/api/trips/{trip}/messages?limit=1", token, b"") for trip, token in seats])

    async def _move_all(self) -> None:
        """A position of each active trip."""
        token = TokenService.from_settings(self._stack.settings).mint("service", "platform", ttl_s=VALID_FOR_S)
        body = b'{"lat": 43.238, "lon": 76.889}'
        await self._call_all(
            [("POST", f"/api/platform/trips/{trip['tripId']}/location", token, body) for trip in self._roster]
        )

    async def _call_all(self, calls: Sequence[tuple[str, str, str, bytes]]) -> None:
        async def some(number: int) -> None:
            caller = HttpCaller(self._host, self._port)
            await caller.open()
            for call in calls[number::AT_ONCE]:
                await caller.call(*call)
            caller.close()

        await asyncio.gather(*(some(number) for number in range(AT_ONCE)))

    async def _recheck(self, database: Any) -> dict[str, float]:
        """One look at all active trips, by a hub of this process that has a socket of each."""
        trips = [UUID(trip["tripId"]) for trip in self._roster]
        rows = await database.fetch(
            "SELECT trip_id, seq_driver, seq_customer FROM trip_chat WHERE trip_id = any($1)", trips
        )
        return await recheck_cost(database, [(row[0], row[1], row[2]) for row in rows])

    async def _burst(self, database: Any) -> tuple[Latency, Storage]:
        """Every driver sends the next message when the one before is acknowledged; and what all of them take."""
        await _until(lambda: log_is_in_order(database))
        before = await Sizes.read(database)
        told = await self._crowd.talk_on(self._plan.burst)
        await _until(lambda: log_is_in_order(database))
        return told, before.grown_by(told.delivered, await Sizes.read(database))


async def _until(true: Callable[[], Awaitable[bool]], *, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110  (it becomes true in another process)
            await asyncio.sleep(0.1)


def _each(used: Mapping[str, float], parts: float) -> dict[str, float]:
    return {group: round(value / parts, 1) for group, value in used.items()}
