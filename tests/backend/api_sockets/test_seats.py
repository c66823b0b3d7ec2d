"""A user's sockets count over all processes; a process that dies is forgotten, and Valkey may go and come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backend.api import seats as module
from backend.api.seats import Seats
from backend.errors import ProblemError
from tests.fakes.silence import silent_server

MOST = 10


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    made = Redis.from_url(redis_url)
    yield made
    await made.aclose()


Process = Callable[[], Seats]


@pytest.fixture
async def process(redis: Redis) -> AsyncGenerator[Process]:
    """Makes the seats of one process more; all are closed in the end."""
    made: list[Seats] = []

    def make() -> Seats:
        made.append(Seats(redis, MOST))
        return made[-1]

    yield make
    for seats in made:
        await seats.close()


async def opened(seats: Seats, user_id: object) -> int:
    """How many sockets somebody gets open in one process who tries for ever; they all stay open."""
    for here in range(1, 3 * MOST):
        try:
            await seats.enter(user_id, here)  # type: ignore[arg-type]
        except ProblemError as refused:
            if refused.code != "too_many_sockets":
                raise
            await seats.leave(user_id, here - 1)  # type: ignore[arg-type]
            return here - 1
    raise AssertionError("no end")


async def test_processes_together_take_no_more_than_the_limit(process: Process) -> None:
    one, other, third, user_id = *(process() for _ in range(3)), uuid4()
    for here in range(1, 7):
        await one.enter(user_id, here)
    assert await opened(other, user_id) == MOST - 6
    assert await opened(third, user_id) == 1, "one socket in a process is never counted"
    await one.leave(user_id, 0)
    assert await opened(third, user_id) == 6
    assert await opened(process(), uuid4()) == MOST, "another user has a count of their own"


async def test_one_socket_in_each_process_asks_nobody() -> None:
    async with silent_server() as (url, connections):
        redis = Redis.from_url(url)
        for _ in range(5):
            seats, user_id = Seats(redis, MOST), uuid4()
            await seats.enter(user_id, 1)
            await seats.leave(user_id, 0)
        assert connections == []
        await redis.aclose()


async def test_a_process_that_died_is_forgotten_and_one_that_lives_is_not(
    redis: Redis, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIFE_S", 2)
    dead, alive, user_id = process(), process(), uuid4()
    await dead.enter(user_id, 5)
    await alive.enter(user_id, 3)
    await dead.close()
    await redis.flushall()
    for _ in range(5):
        await alive.refresh()
        await asyncio.sleep(0.5)
    assert await opened(process(), user_id) == MOST - 3


async def test_nobody_waits_for_a_valkey_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    async with silent_server() as (url, connections):
        redis = Redis.from_url(url)
        seats, user_id = Seats(redis, MOST), uuid4()
        async with asyncio.timeout(1):
            assert await opened(seats, user_id) == MOST
            await seats.refresh()
        assert len(connections) <= 3, "it is left alone for a while"
        await seats.close()
        await redis.aclose()
