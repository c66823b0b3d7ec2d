"""Fixtures of the push stories. A module gets its own database, api and local Firebase, and a clock that it moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest

from backend.clock import MovableClock
from backend.pipeline.services import Services
from backend.push.due import Lookout
from backend.settings import PushSettings, Settings, load
from backend.worker import build_worker
from tests.factories.chat import Chat
from tests.flows.push_house import PushHouse, firebase_for, reach, with_push


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def firebase(tmp_path_factory: pytest.TempPathFactory) -> Generator[PushSettings]:
    with firebase_for(tmp_path_factory.mktemp("firebase")) as settings:
        yield settings


@pytest.fixture(scope="module")
def settings(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, firebase: PushSettings
) -> Settings:
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LOG_LEVEL": "warning"}
    plain = load({f"TRIPWARDEN_{name}": value for name, value in env.items()}, data_dir=tmp_path_factory.mktemp("data"))
    return with_push(plain, firebase)


@pytest.fixture(scope="module")
def lookout() -> Lookout:
    return Lookout()


@pytest.fixture
def house(services: Services, clock: MovableClock, firebase: PushSettings, lookout: Lookout) -> Generator[PushHouse]:
    """Without a worker: the sweeper sends what nobody picks up, two seconds later."""
    with reach(firebase) as control:
        house = PushHouse(services, clock, lookout, control)
        yield house
        house.reset()


@pytest.fixture(scope="module")
def worker(settings: Settings, clock: MovableClock) -> Generator[None]:
    running = build_worker(settings, producer="worker", clock=clock)
    running.start()
    yield
    running.stop()


@pytest.fixture
async def ride(chat: Chat, house: PushHouse) -> AsyncGenerator[Chat]:
    """A trip whose rider has one phone in a pocket."""
    await house.register(chat, "customer", f"pocket-{chat.customer_id}")
    await house.later(3)
    yield chat
    await chat.move("cancelled")
