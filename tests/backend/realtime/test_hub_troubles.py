"""Valkey cut, killed, flushed, frozen, restarted: every line arrives in its time, and the bell comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backend.pipeline.services import Services
from backend.realtime import bus as buses
from backend.realtime import hub as hubs
from backend.settings import Settings, load
from tests.backend.realtime.houses import Listener, OwnValkey, listen, new_trip, say, until

#: The re-check of these tests, and what may pass on top of it on a busy machine.
RECHECK_S, SLACK_S = 0.6, 1.5


@pytest.fixture(scope="module")
def settings(database_url: str, own_valkey: OwnValkey, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation on the Valkey of this module."""
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": own_valkey.url,
            "TRIPWARDEN_LOG_LEVEL": "warning",
        },
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture(scope="module", autouse=True)
def short_times() -> Generator[None]:
    """The same watches with shorter springs."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (buses, "SILENCE_S", 0.3), (buses, "CONNECT_WITHIN_S", 0.5), (buses, "GOOD_S", 0.05),
            (hubs, "RECHECK_S", RECHECK_S), (hubs, "ALONE_S", 0.3), (hubs, "BEAT_S", 0.4),
        ):  # fmt: skip
            patch.setattr(module, name, value)
        yield


@pytest.fixture
async def heard(services: Services, second: Services) -> tuple[UUID, Listener, Listener]:
    """A trip with a socket in either process, both known to the other."""
    assert await until(lambda: services.hub.bus.connected and second.hub.bus.connected)
    trip_id = await new_trip(services)
    near, far = await listen(services, trip_id), await listen(second, trip_id)
    assert await until(lambda: bool(services.hub._neighbours.listeners(trip_id.int)))
    await say(services, trip_id)
    assert await until(lambda: far.heard == [1])
    return trip_id, near, far


async def goes_on(services: Services, heard: tuple[UUID, Listener, Listener], count: int, within_s: float) -> None:
    """Say `count` lines: heard at once here, and in time in the other process."""
    trip_id, near, far = heard
    start = near.cursor
    for _ in range(count):
        await say(services, trip_id)
    expected = list(range(1, start + count + 1))
    assert near.heard == expected, "in the process itself at once, whatever Valkey does"
    assert await until(lambda: far.heard == expected, within_s), far.heard
    assert not far.must_resume


async def rings_again(services: Services, second: Services, heard: tuple[UUID, Listener, Listener]) -> None:
    """Both are connected, and a line takes the bell and not the re-check."""
    assert await until(lambda: services.hub.bus.connected and second.hub.bus.connected, 8.0)
    assert await until(lambda: bool(services.hub._neighbours.listeners(heard[0].int)), 3.0)
    filled, rung = second.hub.gaps_filled, services.hub.bus.rung
    await goes_on(services, heard, 3, 2.0)
    assert services.hub.bus.rung >= rung + 3
    assert second.hub.gaps_filled == filled, "by the bell alone"


async def cut(valkey: OwnValkey) -> None:
    client = Redis.from_url(valkey.url)
    await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await client.aclose()


async def cut_all(valkey: OwnValkey) -> None:
    client = Redis.from_url(valkey.url)
    for kind in ("normal", "pubsub"):
        await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    await client.aclose()


async def flush(valkey: OwnValkey) -> None:
    client = Redis.from_url(valkey.url)
    await client.flushall()
    await client.aclose()


@pytest.mark.parametrize("harm", [cut, cut_all, flush])
async def test_lines_said_around_a_harm_are_delivered_within_a_re_check(
    services: Services,
    second: Services,
    own_valkey: OwnValkey,
    heard: tuple[UUID, Listener, Listener],
    harm: Callable[[OwnValkey], Awaitable[None]],
) -> None:
    await harm(own_valkey)
    await goes_on(services, heard, 20, RECHECK_S + SLACK_S)
    await rings_again(services, second, heard)


async def test_cut_again_and_again_while_people_talk_nothing_is_lost(
    services: Services, own_valkey: OwnValkey, heard: tuple[UUID, Listener, Listener]
) -> None:
    trip_id, near, far = heard
    for number in range(60):
        await say(services, trip_id)
        if number % 10 == 5:
            await cut(own_valkey)
    assert near.heard == list(range(1, 62))
    assert await until(lambda: far.heard == near.heard, RECHECK_S + SLACK_S), far.heard


async def test_without_valkey_the_re_check_delivers_and_a_new_one_rings_again(
    services: Services, second: Services, own_valkey: OwnValkey, heard: tuple[UUID, Listener, Listener]
) -> None:
    own_valkey.kill()
    assert await until(lambda: not services.hub.bus.connected and not second.hub.bus.connected)
    await goes_on(services, heard, 10, RECHECK_S + SLACK_S)
    newcomer = await listen(second, trip := await new_trip(services))
    await say(services, trip)
    assert await until(lambda: newcomer.heard == [1], RECHECK_S + SLACK_S)
    own_valkey.restart()
    await rings_again(services, second, heard)


async def test_a_frozen_valkey_is_noticed_and_given_up(
    services: Services, second: Services, own_valkey: OwnValkey, heard: tuple[UUID, Listener, Listener]
) -> None:
    own_valkey.freeze()
    try:
        await goes_on(services, heard, 10, RECHECK_S + SLACK_S)
        # Silence, a ring that does not come back, silence again: 2 to 3 times SILENCE_S.
        assert await until(lambda: not services.hub.bus.connected and not second.hub.bus.connected, 2.0)
        await goes_on(services, heard, 10, RECHECK_S + SLACK_S)
    finally:
        own_valkey.thaw()
    await rings_again(services, second, heard)


async def test_bells_that_went_into_a_line_that_broke_are_told_again_when_it_is_back(
    services: Services, second: Services, heard: tuple[UUID, Listener, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "RECHECK_S", 60.0)
    monkeypatch.setattr(hubs, "ALONE_S", 60.0)
    await asyncio.sleep(RECHECK_S + 0.1)
    trip_id, _, far = heard
    line = services.hub.bus._line
    assert line is not None
    line.abort()
    await say(services, trip_id)
    assert services.hub.bus._line is None or far.heard == [1]
    assert await until(lambda: far.heard == [1, 2], SLACK_S), "no re-check comes for a minute"


async def test_a_process_that_was_frozen_looks_again_at_once(
    services: Services, second: Services, heard: tuple[UUID, Listener, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "RECHECK_S", 60.0)
    await asyncio.sleep(RECHECK_S + 0.1)
    trip_id, _, far = heard
    await say(services, trip_id, announced=False)
    monkeypatch.setattr(hubs, "FORGET_S", 0.1)
    assert await until(lambda: far.heard == [1, 2], SLACK_S), "a sleep longer than one is remembered by the others"
