"""Who is online stays online for as long as a socket is open, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backend.api.sockets import presence as presences
from backend.api.sockets.presence import Presence
from tests.fakes.silence import silent_server


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    made = Redis.from_url(redis_url)
    yield made
    await made.aclose()


async def test_a_socket_that_stays_open_keeps_its_person_online(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presences, "LIFE_S", 2)
    monkeypatch.setattr(presences, "REFRESH_S", 0.1)
    here, trip_id, stays, leaves = Presence(redis), uuid4(), uuid4(), uuid4()
    await here.enter(trip_id, stays)
    await here.enter(trip_id, leaves)
    keeping = asyncio.create_task(here.keep(lambda: [(trip_id, stays)]))
    await redis.flushall()
    await asyncio.sleep(0.5)
    keeping.cancel()
    assert await here.enter(trip_id, comes := uuid4()) == {stays, comes}


async def test_a_crowd_is_said_to_be_here_in_small_parts(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presences, "REFRESH_S", 0.2)
    crowd = [(uuid4(), uuid4()) for _ in range(presences.BATCH * 3 + 1)]
    keeping = asyncio.create_task(Presence(redis).keep(lambda: crowd))
    await asyncio.sleep(0.5)
    keeping.cancel()
    elsewhere = Presence(redis)
    for trip_id, user_id in crowd:
        assert not await elsewhere.leave(trip_id, user_id)


async def test_a_person_of_a_process_that_died_is_forgotten(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presences, "LIFE_S", -1)
    trip_id, user_id = uuid4(), uuid4()
    await Presence(redis).enter(trip_id, user_id)
    assert await Presence(redis).leave(trip_id, user_id)


async def test_a_person_with_a_device_on_another_process_is_not_gone(redis: Redis) -> None:
    one, other, trip_id, user_id = Presence(redis), Presence(redis), uuid4(), uuid4()
    await one.enter(trip_id, user_id)
    await other.enter(trip_id, user_id)
    assert not await one.leave(trip_id, user_id)
    assert await other.leave(trip_id, user_id)


async def test_nobody_waits_for_a_valkey_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presences, "PATIENCE_S", 0.05)
    async with silent_server() as (url, _):
        redis = Redis.from_url(url)
        here, trip_id, user_id = Presence(redis), uuid4(), uuid4()
        async with asyncio.timeout(2):
            assert await here.enter(trip_id, user_id) == set()
            assert await here.leave(trip_id, user_id)
        await redis.aclose()
