"""What push keeps, and how long; and who looks at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from backend.clock import SystemClock
from backend.pipeline.services import Services
from backend.push.access import access_counts
from backend.push.service import Device, dispose, first_id_of, save_devices
from backend.settings import PushSettings, Settings
from backend.sweeper import push_loops

_ROW = """INSERT INTO push (message_id, device_id, trip_id, user_id, seq, status, due_at, expires_at, created_at)
VALUES ($1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, $2, $3, $3, $3)"""


async def test_what_is_over_goes_after_two_days_and_what_died_after_seven(services: Services) -> None:
    now = datetime.now(UTC)
    for days in (1, 3, 8):
        for status in ("sent", "dropped", "dead"):
            made = now - timedelta(days=days)
            await services.pool.execute(_ROW, UUID(int=first_id_of(made).int + uuid4().int % 2**60), status, made)
    async with services.db.session() as session:
        assert await dispose(session, now) == 5
    left = await services.pool.fetch("SELECT status FROM push WHERE created_at < $1", now - timedelta(days=2))
    assert [row["status"] for row in left] == ["dead"]
    assert await access_counts(services.pool) == {"waiting": 0, "dead": 2}


async def test_a_device_that_nobody_named_for_270_days_is_forgotten(services: Services) -> None:
    person = uuid4()
    async with services.db.session() as session:
        devices = [Device(token="old phone".replace(" ", "-"), platform="web")]
        await save_devices(session, services.keyring, SystemClock(), person, devices)
        await session.commit()
    for days, left in ((269, 1), (271, 0)):
        async with services.db.session() as session:
            await dispose(session, datetime.now(UTC) + timedelta(days=days))
        assert await services.pool.fetchval("SELECT count(*) FROM push_device WHERE user_id = $1", person) == left


async def test_the_same_token_twice_is_one_device_and_keeps_its_name(services: Services) -> None:
    person, one = uuid4(), Device(token="token-of-a-phone", platform="ios")
    seen: set[UUID] = set()
    for _ in range(3):
        async with services.db.session() as session:
            await save_devices(session, services.keyring, SystemClock(), person, [one, one])
            await session.commit()
        rows = await services.pool.fetch("SELECT id FROM push_device WHERE user_id = $1", person)
        seen |= {row["id"] for row in rows}
    assert len(seen) == 1


def test_nobody_looks_where_nothing_is_pushed(settings: Settings) -> None:
    assert push_loops(settings) == ()
    pushing = replace(settings, push=PushSettings(credentials_file="somewhere"))
    assert [loop.name for loop in push_loops(pushing)] == ["push_look", "push"]
