"""The hub on real engines: what nobody can read harms nobody, and a silence of the bell leaves nothing stale."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip
from backend.realtime import Control
from backend.trips.service import Person, TripFacts


async def until(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether it becomes true in time."""
    for _ in range(int(within_s / 0.01)):
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("channel", ["tw:control", "tw:staff", "tw:trip:" + "0" * 32])
async def test_nonsense_on_a_channel_does_not_make_the_process_deaf(services: Services, channel: str) -> None:
    heard: list[Control] = []
    services.hub.on_control(heard.append)
    assert await until(lambda: services.hub.bus.connected)
    await services.redis.publish(channel, b"\xff\xfe nonsense, longer than an origin")
    wanted = uuid4()
    await services.redis.publish(
        "tw:control", b"another!" + b'{"kind":"trip_changed","trip_id":"%s"}' % str(wanted).encode()
    )
    assert await until(lambda: any(control.trip_id == wanted for control in heard))


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
