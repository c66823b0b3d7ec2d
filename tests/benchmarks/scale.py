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
from uuid import UUID, uuid4

import asyncpg
import msgspec
import uvloop

from backend.accounts.tokens import TokenService
from tests.benchmarks.bell import recheck_cost
from tests.benchmarks.cpu import Sampler
from tests.benchmarks.crowd import Crowd, Latency
from tests.benchmarks.idle import memory_of
from tests.benchmarks.roster import VALID_FOR_S, make_roster
from tests.benchmarks.stacks import Ground, Stack, product
from tests.benchmarks.storage import Sizes, Storage, log_is_in_order
from tests.benchmarks.wire import HttpCaller, allow_files

AT_ONCE = 64
#: Other trips, made of a real one: the rows that a process reads when it is asked for them. Nobody ever writes there.
_MORE = """
WITH made AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS made(trip, driver, customer)),
users AS (INSERT INTO app_user (id, name, locale)
          SELECT driver, 'Aset', 'en' FROM made UNION ALL SELECT customer, 'Rita', 'en' FROM made),
chats AS (INSERT INTO trip_chat (trip_id, driver_id, customer_id, expire_on, verdict_expire_on)
          SELECT made.trip, made.driver, made.customer, c.expire_on, c.verdict_expire_on
          FROM made, trip_chat c WHERE c.trip_id = $4),
people AS (INSERT INTO trip_participant (trip_id, user_id, role, joined_at)
           SELECT trip, driver, 'driver', now() FROM made UNION ALL SELECT trip, customer, 'customer', now() FROM made)
INSERT INTO trip (id, market, status, driver_id, customer_id, driver_name, customer_name, created_at, started_at,
                  text_expire_on, media_expire_on, verdict_expire_on, updated_at)
SELECT made.trip, t.market, t.status, made.driver, made.customer, t.driver_name, t.customer_name, t.created_at,
       t.started_at, t.text_expire_on, t.media_expire_on, t.verdict_expire_on, t.updated_at
FROM made, trip t WHERE t.id = $4
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
    """CPU in ms a second for `idle_ms_per_s`, in us each for `join_us` and `message_us`, by group of processes."""

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
    client_cores: dict[str, float]


def measure(ground: Ground, plan: Plan = WHOLE) -> Scale:
    """Everything of this file. Raises RuntimeError when too few open files are allowed, or a socket is refused."""
    allow_files(plan.active * 2 + 1_000)
    with product(ground, workers=2) as stack:
        roster = make_roster(stack, plan.active, ground.directory / "roster-scale.json")
        return uvloop.run(_Measured(ground, stack, json.loads(roster.read_text()), plan).run())


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
        others = await self._make_others(database)
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
        burst, storage = await self._burst(database)
        await self._look("used")
        self._crowd.leave()
        await self._look("after")
        await database.close()
        return self._result(
            joins_per_s=round(plan.active * 2 / joined_s, 1),
            join_us=_each(joining, plan.active * 2 / 1e6),
            idle_ms_per_s=_each(idle, idle_s / 1e3),
            recheck=recheck, first=first, steady=told, message_us=_each(steady, max(1, told.delivered) / 1e6),
            burst=burst, storage=storage,
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

    async def _make_others(self, database: Any) -> list[tuple[str, str]]:
        """Trips that are not active, as (trip, driver)."""
        ids = [[uuid4() for _ in range(self._plan.known - self._plan.active)] for _ in range(3)]
        await database.execute(_MORE, *ids, UUID(self._roster[0]["tripId"]))
        await database.execute("ANALYZE")
        return [(str(trip), str(driver)) for trip, driver in zip(ids[0], ids[1], strict=True)]

    async def _read_all(self, others: Sequence[tuple[str, str]]) -> None:
        """One page of each trip: then the processes know it, its people's standing and their tokens."""
        tokens = TokenService.from_settings(self._stack.settings)
        seats = [(trip, tokens.mint("driver", driver, ttl_s=VALID_FOR_S)) for trip, driver in others]
        seats += [(trip["tripId"], trip["driver"]["token"]) for trip in self._roster]

        async def some(number: int) -> None:
            caller = HttpCaller(self._host, self._port)
            await caller.open()
            for trip, token in seats[number::AT_ONCE]:
                await caller.get(f"/api/trips/{trip}/messages?limit=1", token)
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
