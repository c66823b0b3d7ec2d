"""Migrations go in one by one: each lets go of its locks when it is done, and what is done stays done."""

from __future__ import annotations

import uuid
from typing import Any, cast

import asyncpg
import pytest

from backend.migrations import migrate
from backend.schema import metadata
from tests.conftest import Engines


async def test_a_migration_that_fails_takes_none_before_it_along(engines: Engines) -> None:
    name = f"half_{uuid.uuid4().hex}"
    admin: Any = await cast("Any", asyncpg).connect(engines.postgres.url("postgres"))
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        url = engines.postgres.url(name)
        await migrate(url, "0006")
        half: Any = await cast("Any", asyncpg).connect(url)
        await half.execute("CREATE TABLE push (in_the_way int)")
        with pytest.raises(Exception, match="already exists"):
            await migrate(url)
        assert await half.fetchval("SELECT version_num FROM alembic_version") == "0007"
        await half.execute("DROP TABLE push")
        await migrate(url)
        there = {row[0] for row in await half.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert {table.name for table in metadata.tables.values() if table.schema is None} <= there
        await half.close()
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()
