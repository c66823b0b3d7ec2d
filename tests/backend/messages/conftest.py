"""Trips whose people talk much and at once, on real engines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from backend.accounts.caller import Caller
from backend.bootstrap import build
from backend.pipeline.sending import Delivered, Outgoing
from backend.pipeline.services import Services
from backend.settings import Settings, load
from backend.trips.service import Person, TripFacts

#: What nobody would let through.
THREAT = "I will kill you, you fucking whore"


@dataclass(frozen=True)
class Talk:
    """A trip, and its driver who writes."""

    services: Services
    trip_id: UUID
    caller: Caller
    results: list[Delivered | BaseException] = field(default_factory=list[Delivered | BaseException])

    @classmethod
    async def begin(cls, services: Services) -> Talk:
        """A trip of two people whom nobody else knows."""
        trip_id, driver_id = uuid4(), uuid4()
        facts = TripFacts(
            market="default",
            status="in_transit",
            driver=Person(id=driver_id, name="Dana"),
            customer=Person(id=uuid4(), name="Kim"),
        )
        async with services.db.session() as session:
            await services.trips.save(session, trip_id, facts)
            await session.commit()
        return cls(services, trip_id, services.tokens.verify(services.tokens.mint("driver", str(driver_id))))

    def submit(self, text: str, client_message_id: UUID | None = None) -> asyncio.Future[Delivered]:
        """Say it without waiting; the future hears how it ended."""
        answer: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()

        def done(result: Delivered | BaseException) -> None:
            self.results.append(result)
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        outgoing = Outgoing(content=text, client_message_id=client_message_id)
        self.services.sender.submit(self.caller, self.trip_id, outgoing, done)
        return answer

    async def say(self, text: str, client_message_id: UUID | None = None) -> Delivered:
        """Say it, and wait until it is stored."""
        outgoing = Outgoing(content=text, client_message_id=client_message_id)
        return await self.services.sender.send(self.caller, self.trip_id, outgoing)

    async def stored(self) -> list[Any]:
        """What the trip holds, in order."""
        query = (
            "SELECT id, seq_staff, seq_driver, xmin::text AS by FROM trip_message WHERE trip_id = $1 ORDER BY seq_staff"
        )
        rows: list[Any] = await self.services.pool.fetch(query, self.trip_id)
        return rows


@pytest.fixture(scope="module")
def talkative(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The module's settings, without the limits that guard against one noisy person."""
    shipped = (resources.files("moderation") / "data/policy.toml").read_text()
    policy: Path = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text(re.sub(r"(?m)^(max_messages|max_repeats) = \d+", r"\1 = 10000", shipped))
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": settings.database.url,
            "TRIPWARDEN_REDIS_URL": settings.redis.url,
            "TRIPWARDEN_TOKEN_ISSUER": "tripwarden",
            "TRIPWARDEN_LOG_LEVEL": "error",
            "TRIPWARDEN_LIMIT_MESSAGES_PER_S": "10000",
            "TRIPWARDEN_LIMIT_MESSAGES_BURST": "10000",
            "TRIPWARDEN_LIMIT_TRIP_MESSAGES_PER_S": "10000",
            "TRIPWARDEN_LIMIT_TRIP_MESSAGES_BURST": "10000",
            "TRIPWARDEN_MODERATION_POLICY_FILE": str(policy),
        },
        data_dir=settings.data.dir,
    )


@pytest.fixture(scope="module")
async def house(talkative: Settings) -> AsyncGenerator[Services]:
    """The services of a process whose people may talk as much as they like."""
    async with build(talkative, producer="lanes") as built:
        yield built


@pytest.fixture
async def talk(house: Services) -> Talk:
    """A new trip."""
    return await Talk.begin(house)
