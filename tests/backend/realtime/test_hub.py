"""The hub on real engines: what nobody can read harms nobody, and a silence of the bell leaves nothing stale."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip
from backend.realtime import Control
from backend.realtime.letters import Post
from backend.trips.service import Person, TripFacts
from tests.backend.realtime.houses import listen, new_trip, say, until


def post_of(services: Services) -> Post:
    """The letters of another process of this installation."""
    return Post(services.keyring.sealer("realtime"))


@pytest.mark.parametrize(
    "nonsense", [b"x", b"\xff\xfe nonsense, longer than a name", b"another!" + b"\x01" + b"\x00" * 64]
)
async def test_nonsense_on_the_channel_does_not_make_the_process_deaf(services: Services, nonsense: bytes) -> None:
    heard: list[Control] = []
    services.hub.on_control(heard.append)
    assert await until(lambda: services.hub.bus.connected)
    post, wanted = post_of(services), uuid4()
    await services.redis.publish(post.everybody, nonsense)
    await services.redis.publish(post.everybody, post.seal(Control("trip_changed", wanted)))
    assert await until(lambda: any(control.trip_id == wanted for control in heard))


async def test_a_letter_in_anothers_name_is_not_opened(services: Services) -> None:
    heard: list[Control] = []
    services.hub.on_control(heard.append)
    assert await until(lambda: services.hub.bus.connected)
    post, forged, honest = post_of(services), uuid4(), uuid4()
    await services.redis.publish(
        post.everybody, b"somebody" + post.seal(Control("trip_changed", forged)).removeprefix(post.me)
    )
    await services.redis.publish(post.everybody, post.seal(Control("trip_changed", honest)))
    assert await until(lambda: any(control.trip_id == honest for control in heard))
    assert not any(control.trip_id == forged for control in heard)


async def test_after_a_silence_nothing_stale_is_remembered(services: Services) -> None:
    assert await until(lambda: services.hub.bus.connected)
    trip_id, first, second = uuid4(), uuid4(), uuid4()
    customer = Person(id=uuid4())
    facts = TripFacts(market="default", status="accepted", driver=Person(id=first), customer=customer)
    await save_trip(services, trip_id, facts)
    assert (await services.views.access_view(services.pool, trip_id)).driver_id == first
    await services.pool.execute("UPDATE trip SET driver_id = $2 WHERE id = $1", trip_id, second)
    assert (await services.views.access_view(services.pool, trip_id)).driver_id == first, "remembered"
    await services.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert await until(lambda: trip_id not in services.views._known)
    assert (await services.views.access_view(services.pool, trip_id)).driver_id == second


async def published(redis: Redis) -> int:
    """How often Valkey was asked to publish."""
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_publish", {"calls": 0})["calls"])


async def announce(services: Services, trip_id: UUID, times: int) -> None:
    for _ in range(times):
        await say(services, trip_id)


async def test_a_process_that_is_alone_writes_nothing_of_its_messages_to_valkey(services: Services) -> None:
    trip_id = await new_trip(services)
    listener = await listen(services, trip_id)
    await asyncio.sleep(0)
    before = services.hub.bus.rung
    await announce(services, trip_id, 5)
    assert listener.heard == [1, 2, 3, 4, 5]
    assert services.hub.bus.rung - before <= 1, "at most a sign of life"


async def test_a_message_is_rung_once_and_only_where_somebody_listens(services: Services, second: Services) -> None:
    split, here = await new_trip(services), await new_trip(services)
    heard_here = await listen(services, here)
    heard_there = await listen(second, split)
    assert await until(lambda: bool(services.hub._neighbours.listeners(split.int)))
    before = services.hub.bus.rung
    await announce(services, here, 5)
    await announce(services, split, 5)
    assert await until(lambda: heard_there.heard == [1, 2, 3, 4, 5])
    assert heard_here.heard == [1, 2, 3, 4, 5]
    assert 5 <= services.hub.bus.rung - before <= 6, "five bells, and at most a sign of life"


async def test_what_was_announced_before_the_interest_was_known_is_read_at_once(
    services: Services, second: Services
) -> None:
    trip_id = await new_trip(services)
    await say(services, trip_id)
    # Joined with the number that was true a moment before: as if the bell had been rung in between.
    listener = await listen(second, trip_id, last=0)
    assert await until(lambda: listener.heard == [1], within_s=1.0)


async def test_a_console_of_another_process_is_woken(services: Services, second: Services) -> None:
    waits = asyncio.create_task(second.hub.wait_staff(("review",), 5.0))
    await asyncio.sleep(0.1)
    services.hub.ring_staff("incidents")
    services.hub.ring_staff("review")
    assert await asyncio.wait_for(waits, 1.0)


async def test_whispers_reach_the_other_process(services: Services, second: Services) -> None:
    trip_id = await new_trip(services)
    listener = await listen(second, trip_id, "customer")
    assert await until(lambda: bool(services.hub._neighbours.listeners(trip_id.int)))
    services.hub.whisper(trip_id, "customer", b"typing")
    assert await until(lambda: listener.whispers == [b"typing"])
