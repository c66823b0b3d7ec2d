"""Schema changes: Alembic under an advisory lock, compatible with the code that is already running."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.db.engine import sqlalchemy_url

#: Two migrations at once would race on the catalogue; the key is arbitrary but fixed for ever.
ADVISORY_LOCK = 7_714_001


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file; the connection travels in its attributes."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    command.upgrade(configuration(connection), revision)


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`. Safe to call from many processes at once."""
    engine = create_async_engine(sqlalchemy_url(url))
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
            await connection.execute(text("SET lock_timeout = '10s'"))
            await connection.execute(text("SET statement_timeout = '10min'"))
            # From here on each revision is a transaction of its own: in one, the locks of the first would be held until
            # the last is done, and nobody could send meanwhile. The advisory lock and the settings are the session's.
            await connection.commit()
            await connection.run_sync(_upgrade, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def migrate_now(url: str) -> None:
    """`migrate` for callers without a loop of their own."""
    asyncio.run(migrate(url))
