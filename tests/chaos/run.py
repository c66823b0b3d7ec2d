"""One run: a house, its people, the nemesis, the healing, the check."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import msgspec

from tests.chaos.checker import Finding, check
from tests.chaos.collecting import collect, last_numbers
from tests.chaos.desk import Desk
from tests.chaos.histories import History
from tests.chaos.house import House, open_house
from tests.chaos.nemesis import KINDS, Act, Nemesis, plan
from tests.chaos.overhearing import Ear
from tests.chaos.people import Person
from tests.chaos.phone import Phone
from tests.chaos.proxy import Proxy
from tests.factories.tokens import Tokens, bearer


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is made of. `rate`: messages a second of everybody together."""

    seed: int = 1
    seconds: float = 60.0
    pairs: int = 10
    rate: float = 25.0
    apis: int = 2
    sweepers: int = 1
    kinds: tuple[str, ...] = tuple(KINDS)
    pause_s: float = 1.6
    quiet_within_s: float = 60.0
    command: tuple[str, ...] = ()
    acts: tuple[Act, ...] | None = None


class Outcome(msgspec.Struct):
    """What came of it."""

    course: Course
    history: History
    findings: list[Finding]
    acts: list[Act]
    counts: dict[str, int]
    decided: dict[str, int]
    answered_in: list[float]
    quiet_after_s: float
    overheard: int
    deaths: dict[str, int]
    log: str


async def run(course: Course, tell: Callable[[str], None] = lambda line: None) -> Outcome:
    """Everything, from an empty directory to the findings."""
    command = list(course.command) or None
    async with open_house(apis=course.apis, sweepers=course.sweepers, command=command) as house:
        return await _Run(course, house, tell).go()


class _Run:
    def __init__(self, course: Course, house: House, tell: Callable[[str], None]) -> None:
        self._course, self._house, self._tell = course, house, tell
        self._history = History(seed=course.seed)
        self._proxy = Proxy(house.ports, random.Random(f"{course.seed}/proxy"))
        self._people: list[Person] = []
        self._phones: dict[str, Phone] = {}
        self._tokens = Tokens(house.settings)
        self._ear = Ear(house.valkey.port)
        self._began = 0.0

    async def go(self) -> Outcome:
        """Live, break, heal, wait until it is quiet, look."""
        course = self._course
        await self._proxy.start()
        desk = Desk(self._house.urls, self._tokens.staff("moderator"), str(course.seed))
        async with self._rest() as rest:
            await self._arrive(rest)
            acts = self._acts()
            async with self._living():
                await self._storm(acts, desk)
                quiet_after_s = await self._calm(desk)
            await asyncio.gather(*(person.stop() for person in self._people))
        await desk.close()
        await self._proxy.stop()
        deaths = {name: child.deaths for name, child in self._house.children.items() if child.deaths}
        await self._house.end_processes()
        self._history.rows = await collect(self._house)
        self._history.overheard = sorted(self._ear.heard)
        counts: dict[str, int] = {}
        for person in self._people:
            for name, number in person.counts.items():
                counts[name] = counts.get(name, 0) + number
        answered_in = [seconds for person in self._people for seconds in person.answered_in]
        return Outcome(
            course, self._history, check(self._history), acts, counts, dict(desk.decided), answered_in, quiet_after_s,
            self._ear.commands, deaths, (self._house.directory / "house.log").read_text(errors="replace"),
        )  # fmt: skip

    def _acts(self) -> list[Act]:
        course = self._course
        if course.acts is not None:
            return list(course.acts)
        names = sorted(self._phones)
        return plan(course.seed, course.seconds, names, course.apis, kinds=course.kinds, pause_s=course.pause_s)

    @asynccontextmanager
    async def _rest(self) -> AsyncGenerator[httpx.AsyncClient]:
        base = f"http://127.0.0.1:{self._proxy.port}"
        limits = httpx.Limits(max_connections=40, max_keepalive_connections=10, keepalive_expiry=2.0)
        async with httpx.AsyncClient(base_url=base, trust_env=False, limits=limits) as client:
            yield client

    # -- who is there ----------------------------------------------------------------------------------------------

    async def _arrive(self, rest: httpx.AsyncClient) -> None:
        """Trips, people and phones; their ids follow from the seed."""
        dice = random.Random(f"{self._course.seed}/trips")
        self._began = time.monotonic()
        async with httpx.AsyncClient(base_url=self._house.urls[0], trust_env=False, timeout=20) as platform:
            for _ in range(self._course.pairs):
                trip, driver, customer = (str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(3))
                await self._begin(platform, trip, driver, customer)
                for role, person in (("driver", driver), ("customer", customer)):
                    phones = 2 if dice.random() < 0.4 else 1
                    self._people.append(self._person(rest, trip, role, person, phones))
        self._phones = {phone.log.name: phone for person in self._people for phone in person.phones}

    async def _begin(self, platform: httpx.AsyncClient, trip: str, driver: str, customer: str) -> None:
        people = {
            side: {"id": id_, "name": side, "locale": "en"}
            for side, id_ in (("driver", driver), ("customer", customer))
        }
        answer = await platform.put(
            f"/api/platform/trips/{trip}",
            json={"market": "default", "status": "in_transit", **people},
            headers=bearer(self._tokens.service()),
        )
        answer.raise_for_status()

    def _person(self, rest: httpx.AsyncClient, trip: str, role: str, person: str, phones: int) -> Person:
        mint = self._tokens.driver if role == "driver" else self._tokens.customer
        token = mint(person, ttl_s=86_400)
        seed = str(self._course.seed)
        return Person(self._history, trip, role, token, person, phones, self._proxy, rest, self._began, seed)

    @asynccontextmanager
    async def _living(self) -> AsyncGenerator[None]:
        works = [phone.run() for phone in self._phones.values()] + [person.repeat() for person in self._people]
        works.append(self._ear.run())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    # -- what happens ----------------------------------------------------------------------------------------------

    async def _storm(self, acts: Sequence[Act], desk: Desk) -> None:
        start = time.monotonic()
        offset = start - self._began
        nemesis = Nemesis(self._house, self._proxy, self._phones, start)
        pause_s = len(self._people) / self._course.rate
        aside = [asyncio.create_task(desk.run(1.0)), asyncio.create_task(self._look_around())]
        try:
            async with asyncio.TaskGroup() as group:
                for person in self._people:
                    group.create_task(person.talk(pause_s, start + self._course.seconds))
                group.create_task(nemesis.run(acts, self._tell))
        finally:
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)
        for act in acts:
            act.healed_at = None if act.healed_at is None else act.healed_at + offset

    async def _look_around(self) -> None:
        dice = random.Random(f"{self._course.seed}/look")
        while True:
            await asyncio.sleep(1.0)
            await dice.choice(self._people).look()

    async def _calm(self, desk: Desk) -> float:
        """Heal everything and wait until everybody has everything; how long that took, in seconds."""
        await self._house.heal()
        healed = time.monotonic()
        deadline = healed + self._course.quiet_within_s
        connection = await self._house.connect()
        try:
            while time.monotonic() < deadline:
                undecided = await desk.work(50)
                last = await last_numbers(connection)
                if not undecided and self._is_quiet(last):
                    break
                await asyncio.sleep(0.2)
        finally:
            await connection.close()
        quiet_after_s = time.monotonic() - healed
        with contextlib.suppress(httpx.HTTPError):
            await asyncio.gather(*(person.look() for person in self._people))
        return quiet_after_s

    def _is_quiet(self, last: dict[str, dict[str, int]]) -> bool:
        waiting = any(person.waiting for person in self._people)
        behind = any(
            phone.cursor != last.get(phone.log.trip, {}).get(phone.log.role) for phone in self._phones.values()
        )
        return not waiting and not behind
