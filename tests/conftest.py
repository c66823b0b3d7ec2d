"""Real engines for every test: one PostgreSQL and one Valkey a session, a fresh database a module."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncGenerator, Coroutine, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from backend.clock import Clock, SystemClock
from backend.migrations import migrate
from backend.settings import Settings, load
from backend.supervisor.engines import Engines, running
from tests import no_skips

if TYPE_CHECKING:
    from backend.pipeline.services import Services
    from tests.factories.tokens import Tokens

TEMPLATE = "tripwarden_template"


def pytest_configure(config: pytest.Config) -> None:
    """Skips are failures where everything has to be there."""
    no_skips.install(config)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in a loop of its own, without touching the one that pytest-asyncio keeps."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _settings_in_environment() -> list[str]:
    return [name for name in os.environ if name.startswith("TRIPWARDEN_")]


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Generator[None]:
    """No setting of the person who runs the tests reaches them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _settings_in_environment():
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def engines() -> Generator[Engines]:
    """PostgreSQL (not durable: speed) and Valkey in an open directory of their own."""
    directory = Path(tempfile.mkdtemp(prefix="tripwarden-tests-", dir="/tmp" if os.geteuid() == 0 else None))
    directory.chmod(0o755)
    try:
        with running(directory, durable=False) as started:
            yield started
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(engines: Engines) -> str:
    """The name of a database that holds the migrated schema and nothing else."""
    admin = engines.postgres.url("postgres")

    async def make() -> None:
        await _execute(admin, f'CREATE DATABASE "{TEMPLATE}"')
        await migrate(engines.postgres.url(TEMPLATE))
        await _execute(admin, f'ALTER DATABASE "{TEMPLATE}" ALLOW_CONNECTIONS false')

    _run(make())
    return TEMPLATE


@pytest.fixture(scope="module")
def database_url(engines: Engines, template_database: str) -> Generator[str]:
    """A migrated database of this module's own; gone afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    admin = engines.postgres.url("postgres")
    _run(_execute(admin, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'))
    yield engines.postgres.url(name)
    _run(_execute(admin, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(scope="module")
def redis_url(engines: Engines) -> str:
    """The session's Valkey, emptied for this module."""

    async def empty() -> None:
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(engines.valkey.url)
        await client.flushall()
        await client.aclose()

    _run(empty())
    return engines.valkey.url


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that point to this module's database, with a data directory of their own for keys and media."""
    data_dir = tmp_path_factory.mktemp("data")
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": redis_url,
            "TRIPWARDEN_TOKEN_ISSUER": "tripwarden",
            "TRIPWARDEN_LOG_LEVEL": "warning",
        },
        data_dir=data_dir,
    )


@pytest.fixture(scope="module")
def clock() -> Clock:
    """The clock of `services` and of the api; a module that moves the time overrides this with a MovableClock."""
    return SystemClock()


@pytest.fixture(scope="module")
async def services(settings: Settings, clock: Clock) -> AsyncGenerator[Services]:
    """Everything that a process of the product is wired from, open, in the tests' own loop."""
    from backend.bootstrap import build  # imported when needed: pure tests start at once

    async with build(settings, producer="tests", clock=clock) as built:
        yield built


@pytest.fixture(scope="module")
def api_url(settings: Settings, clock: Clock) -> Generator[str]:
    """The address of a real api on this module's database."""
    from tests.factories.served import served

    with served(settings, clock=clock) as url:
        yield url


@pytest.fixture(scope="module")
async def client(api_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of that api."""
    async with httpx.AsyncClient(base_url=api_url, timeout=10, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def tokens(settings: Settings, clock: Clock) -> Tokens:
    """Keys for whoever a test needs to be."""
    from tests.factories.tokens import Tokens

    return Tokens(settings, clock)
