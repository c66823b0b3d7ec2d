"""Retention on a real PostgreSQL whose time is moved."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.audit import AuditLog
from backend.clock import MovableClock
from backend.db import Database
from backend.keys import Keyring, LocalRootKey
from backend.records.service import RetentionDesk
from backend.settings import DatabaseSettings, Settings
from tests.backend.records.city_of_records import Records

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
#: From the making of a trip to the first day on which its words are due.
UNTIL_DUE = timedelta(days=91)


@pytest.fixture(scope="module")
def key_dir(settings: Settings) -> Path:
    """The data directory whose root key wraps the keys in this module's database."""
    return settings.data.dir


@pytest.fixture(scope="module")
def provider(key_dir: Path) -> LocalRootKey:
    return LocalRootKey.load(key_dir)


@pytest.fixture
async def records(database_url: str, provider: LocalRootKey) -> AsyncGenerator[Records]:
    """Parts of one process on this module's database, emptied before each test."""
    db = Database(DatabaseSettings(url=database_url))
    await db.open()
    await _empty(db)
    clock = MovableClock(START)
    keyring = Keyring(db, provider, clock)
    yield Records(db, keyring, AuditLog(db, keyring, clock, "test", origin="test/audit"), clock)
    await db.close()


@pytest.fixture
def desk(records: Records) -> RetentionDesk:
    return RetentionDesk(records)


async def _empty(db: Database) -> None:
    async with db.session() as session:
        for parent in ("trip_message", "trip_event", "trip_verdict"):
            children = await session.scalars(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ :shape"),
                {"shape": f"^{parent}_[0-9]{{8}}$"},
            )
            for child in children:
                await session.execute(text(f"DROP TABLE {child}"))
        await session.execute(
            text(
                "TRUNCATE trip, trip_chat, trip_participant, trip_receipt, trip_message, trip_event, trip_verdict,"
                " legal_hold, disposition_step, disposition_run, review_case, case_signal, case_claim, keys.data_key,"
                " keys.key_encryption_key, audit_key, audit_intake, trip_access,"
                " audit_entry, audit_tile, audit_state, audit_checkpoint, incident CASCADE"
            )
        )
        made = "version > 1 OR market <> 'default'"
        rules = f"DELETE FROM retention_rule WHERE schedule_id IN (SELECT id FROM retention_schedule WHERE {made})"
        await session.execute(text(rules))
        await session.execute(text(f"DELETE FROM retention_schedule WHERE {made}"))
        await session.commit()
