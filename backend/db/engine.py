"""One `Database` a process: SQLAlchemy for everything, a bare asyncpg pool for the send path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from backend.settings import DatabaseSettings
from backend.settings.groups import POOL_OVERFLOW

CONNECT_WITHIN_S = 5.0
#: A send lane waits so long for a row that somebody else keeps; then that trip waits aside and the lane goes on.
LOCK_TIMEOUT_MS = 40


def sqlalchemy_url(url: str) -> str:
    """The same database, named the way SQLAlchemy names an asyncpg driver."""
    return "postgresql+asyncpg://" + url.split("://", 1)[1]


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _keep(connection: Any) -> None:
    """Nobody changes the state of a pooled connection, so there is nothing to reset: that would be a round trip a send.

    What asyncpg does before still happens: an open transaction is rolled back, listeners go.
    """


class Database:
    """Engine, sessions and pool of this process. `open` connects, `close` lets go; nothing connects before."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        timeout = str(settings.statement_timeout_ms)
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(settings.url),
            pool_size=settings.pool_size,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=True,
            json_serializer=_to_json,
            json_deserializer=msgspec.json.decode,
            connect_args={"server_settings": {"statement_timeout": timeout, "application_name": "tripwarden"}},
        )
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._pool: Any = None

    @property
    def pool(self) -> Any:
        """The asyncpg pool (`asyncpg.Pool`); raises RuntimeError before `open`."""
        if self._pool is None:
            raise RuntimeError("the database is not open")
        return self._pool

    async def open(self) -> None:
        """Connect the pool. Raises what asyncpg raises when PostgreSQL is not reachable."""
        if self._pool is None:
            driver: Any = asyncpg
            self._pool = await driver.create_pool(
                self._settings.url,
                min_size=1,
                max_size=self._settings.pool_size,
                reset=_keep,
                server_settings={
                    "statement_timeout": str(self._settings.statement_timeout_ms),
                    "application_name": "tripwarden-send",
                },
            )

    async def connect_lane(self) -> Any:
        """A connection of the caller's own (`asyncpg.Connection`), for a send lane; the caller ends it.

        It waits `LOCK_TIMEOUT_MS` for a row and no longer. Raises what asyncpg raises when there is no PostgreSQL.
        """
        driver: Any = asyncpg
        return await driver.connect(
            self._settings.url,
            timeout=CONNECT_WITHIN_S,
            server_settings={
                "statement_timeout": str(self._settings.statement_timeout_ms),
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "application_name": "tripwarden-lane",
            },
        )

    async def close(self) -> None:
        """Close both; waits for what is running."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        await self.engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[AsyncSession]:
        """A session that rolls back unless its user committed.

        Closing is shielded: a socket may be cancelled at any moment, and a cancelled close leaks the connection.
        """
        session = self.sessions()
        try:
            yield session
        finally:
            await asyncio.shield(session.close())

    def place(self) -> str:
        """`host:port/name` for messages to people; never the password."""
        parts = urlsplit(self._settings.url)
        return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
