"""A log on a real database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from backend.audit import AuditLog
from backend.audit.note import Signer
from backend.clock import MovableClock
from backend.db import Database
from backend.keys import Keyring, LocalRootKey
from backend.settings import DatabaseSettings


@pytest.fixture
async def db(database_url: str) -> AsyncGenerator[Database]:
    database = Database(DatabaseSettings(url=database_url))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> LocalRootKey:
    """One root key as long as the module's database lives."""
    return LocalRootKey.load(tmp_path_factory.mktemp("data"))


@pytest.fixture
def keyring(db: Database, provider: LocalRootKey, clock: MovableClock) -> Keyring:
    return Keyring(db, provider, clock)


ORIGIN = "example.com/audit"


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(ORIGIN, b"s" * 32)


@pytest.fixture
def audit(db: Database, keyring: Keyring, clock: MovableClock) -> AuditLog:
    return AuditLog(db, keyring, clock, "api-1", "policy-3", origin=ORIGIN)


@pytest.fixture
async def empty_log(db: Database) -> None:
    """Nothing in the log of this module's database."""
    await db.pool.execute(
        "TRUNCATE audit_intake, audit_entry, audit_producer, audit_tile, audit_state, audit_checkpoint RESTART IDENTITY"
    )
