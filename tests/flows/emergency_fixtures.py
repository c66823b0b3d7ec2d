"""Fixtures of the emergency stories. A module gets its own database, api, worker and telephone exchange."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx
import pytest

from backend.clock import MovableClock
from backend.pipeline.services import Services
from backend.settings import Settings, load
from backend.worker import build_worker
from tests.backend.notification.harness import Simulator, free_port
from tests.factories.tokens import Tokens
from tests.flows.emergency_house import House, api_on, simulator_for, with_telephone


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def api_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def exchange(api_port: int) -> Generator[Any]:
    with simulator_for(api_port) as running:
        yield running


@pytest.fixture(scope="module")
def settings(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, api_port: int, exchange: Any
) -> Settings:
    plain = load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": redis_url,
            "TRIPWARDEN_LOG_LEVEL": "warning",
        },
        data_dir=tmp_path_factory.mktemp("data"),
    )
    return with_telephone(plain, api_port, *exchange)


@pytest.fixture(scope="module")
def api_url(settings: Settings, clock: MovableClock) -> Generator[str]:
    with api_on(settings, clock) as url:
        yield url


@pytest.fixture(scope="module")
def worker(settings: Settings, clock: MovableClock) -> Generator[None]:
    running = build_worker(settings, producer="worker", clock=clock)
    running.start()
    yield
    running.stop()


@pytest.fixture(scope="module")
async def whole_house(
    services: Services, client: httpx.AsyncClient, exchange: Any, tokens: Tokens, clock: MovableClock
) -> AsyncGenerator[House]:
    url, config = exchange
    async with httpx.AsyncClient(base_url=url + "/_control", timeout=10, trust_env=False) as control:
        house = House(services, client, Simulator(url, config, control), tokens, clock)
        await house.roster()
        yield house


@pytest.fixture
async def house(whole_house: House, worker: None) -> AsyncGenerator[House]:
    """With a worker that runs: the ordinary case."""
    yield whole_house
    await whole_house.clear()


@pytest.fixture
async def house_without_workers(whole_house: House) -> AsyncGenerator[House]:
    yield whole_house
    await whole_house.clear()
