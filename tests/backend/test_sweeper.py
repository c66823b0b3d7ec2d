"""Of several sweepers one is active; the others take over when its session ends, and do what it leaves lying."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from backend.audit import Entry
from backend.audit.note import Signer
from backend.audit.sequencing import Sequencer
from backend.pipeline.services import Services
from backend.sweeper import ACTIVE_LOCK, Loop, Turn, Watch, sweep


async def nothing(_: Services) -> int:
    return 0


def watch_for(services: Services, *loops: Loop) -> tuple[Watch, list[Turn]]:
    turns = [Turn(loop) for loop in loops]
    signer = Signer(services.settings.audit.origin, b"s" * 32)
    return Watch(services, turns, Sequencer(services.clock, signer)), turns


async def append(services: Services) -> None:
    async with services.db.session() as session:
        await services.audit.append(session, Entry(event="case.opened"))
        await session.commit()


async def waiting(services: Services) -> int:
    return await services.pool.fetchval("SELECT count(*) FROM audit_intake")


async def until_placed(services: Services, within_s: float) -> float:
    begun = time.monotonic()
    while await waiting(services):
        assert time.monotonic() - begun < within_s, "nobody placed what waits"
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def become_active(watch: Watch) -> None:
    """Look until it is: PostgreSQL takes a moment to end the session of the one before."""
    end = time.monotonic() + 2.0
    while not watch.active:
        assert time.monotonic() < end, "the lock stays with somebody else"
        await watch.look()


@asynccontextmanager
async def session_of(services: Services) -> AsyncGenerator[Any]:
    """A session that is not ours to end: somebody else's."""
    connection = await cast("Any", asyncpg).connect(services.settings.database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_one_of_two_is_active_and_the_other_takes_over_when_its_session_ends(services: Services) -> None:
    (first, _), (second, _) = watch_for(services), watch_for(services)
    await become_active(first)
    await second.look()
    assert (first.active, second.active) == (True, False)
    await append(services)
    await second.look()
    assert await waiting(services), "who stands by leaves it to the active one"
    await first.look()
    assert not await waiting(services)
    await first.close()
    await become_active(second)
    await append(services)
    await second.look()
    assert not await waiting(services)
    await second.close()


async def test_a_lock_that_is_held_by_one_that_does_nothing_stops_nobody(services: Services) -> None:
    async with session_of(services) as stuck:
        await stuck.fetchval("SELECT pg_advisory_lock($1)", ACTIVE_LOCK)
        await append(services)
        stopping = asyncio.Event()
        sweeping = asyncio.create_task(sweep(services, stopping))
        try:
            assert await until_placed(services, 5.0) > 0.2
        finally:
            stopping.set()
            await sweeping


async def test_two_sweepers_at_work_place_what_comes_soon(services: Services) -> None:
    stopping = asyncio.Event()
    sweeping = [asyncio.create_task(sweep(services, stopping)) for _ in range(2)]
    try:
        await asyncio.sleep(0.5)
        for _ in range(3):
            await append(services)
            assert await until_placed(services, 2.0) < 1.0
    finally:
        stopping.set()
        await asyncio.gather(*sweeping)


async def test_a_table_that_somebody_has_locked_hides_only_its_own_work(services: Services) -> None:
    watch, (urgent, locked) = watch_for(
        services,
        Loop("urgent", "$1::timestamptz IS NOT NULL", 1.0, nothing),
        Loop("locked", "$1::timestamptz IS NULL OR (SELECT count(*) FROM disposition_run) >= 0", 1.0, nothing),
    )
    await become_active(watch)
    async with session_of(services) as other, other.transaction():
        await other.execute("LOCK TABLE disposition_run IN ACCESS EXCLUSIVE MODE")
        urgent.due.clear()
        locked.due.clear()
        await append(services)
        await watch.look()
        assert urgent.due.is_set()
        assert not locked.due.is_set()
        assert not await waiting(services)
    await watch.look()
    assert locked.due.is_set()
    await watch.close()


async def test_a_log_that_is_broken_hides_no_other_work(services: Services) -> None:
    watch, (urgent,) = watch_for(services, Loop("urgent", "$1::timestamptz IS NOT NULL", 1.0, nothing))
    await become_active(watch)
    await append(services)
    await watch.look()
    await services.pool.execute("UPDATE audit_state SET root_hash = sha256(root_hash)")
    try:
        await append(services)
        urgent.due.clear()
        await watch.look()
        assert urgent.due.is_set()
        assert await waiting(services) == 1, "a log that was tampered with is not extended"
    finally:
        await watch.close()


@pytest.mark.parametrize("cut", ["terminate", "close"])
async def test_who_loses_its_session_is_not_active_any_more_and_comes_back(services: Services, cut: str) -> None:
    watch, _ = watch_for(services)
    await become_active(watch)
    if cut == "close":
        await watch.close()
    else:
        await services.pool.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = 'tripwarden-sweep'"
        )
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await watch.look()
    assert not watch.active
    await become_active(watch)
    await watch.close()
