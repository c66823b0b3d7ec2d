"""The embedded engines: real, private, kept between runs, refused where their user cannot go."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from backend.supervisor.engines import Engines


def fetch(url: str, query: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_it_is_postgresql_18_in_utf8(engines: Engines) -> None:
    url = engines.postgres.url("postgres")
    assert str(fetch(url, "SHOW server_version")).startswith("18")
    assert fetch(url, "SHOW server_encoding") == "UTF8"
    assert fetch(url, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"


def test_a_wrong_password_is_refused(engines: Engines) -> None:
    url = engines.postgres.url("postgres").replace(engines.postgres.password, "guess")
    with pytest.raises(asyncpg.InvalidPasswordError):
        fetch(url, "SELECT 1")


def test_a_module_gets_a_migrated_database_of_its_own(database_url: str) -> None:
    assert fetch(database_url, "SELECT count(*) FROM alembic_version") in (0, 1)
