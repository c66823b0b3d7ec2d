"""The short memory of trips never hands out what was changed, however reads and changes meet."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from backend.messages import views
from backend.messages.views import TripViews
from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip
from backend.trips.service import Person, TripFacts


async def trip(services: Services) -> tuple[UUID, UUID]:
    trip_id, driver_id = uuid4(), uuid4()
    facts = TripFacts(market="default", status="accepted", driver=Person(id=driver_id), customer=Person(id=uuid4()))
    await save_trip(services, trip_id, facts)
    return trip_id, driver_id


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip_id, _ = await trip(services)
    memory, has_read, may_go_on, real = TripViews(), asyncio.Event(), asyncio.Event(), views.access_view

    async def slow(pool: Any, asked: UUID) -> Any:
        view = await real(pool, asked)
        has_read.set()
        await may_go_on.wait()
        return view

    monkeypatch.setattr(views, "access_view", slow)
    reading = asyncio.create_task(memory.access_view(services.pool, trip_id))
    await has_read.wait()
    swapped = uuid4()
    await services.pool.execute("UPDATE trip SET driver_id = $2 WHERE id = $1", trip_id, swapped)
    memory.forget(trip_id)
    may_go_on.set()
    await reading
    assert (await memory.access_view(services.pool, trip_id)).driver_id == swapped


async def test_a_changed_person_is_read_again(services: Services) -> None:
    trip_id, driver_id = await trip(services)
    await services.views.access_view(services.pool, trip_id)
    await services.pool.execute("UPDATE app_user SET locale = 'kk' WHERE id = $1", driver_id)
    services.hub.control("user_changed", user_id=driver_id)
    assert (await services.views.access_view(services.pool, trip_id)).driver_locale == "kk"


async def test_the_memory_is_bounded_and_knows_whose_trips_it_holds(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "REMEMBERED", 3)
    memory = TripViews()
    trips = [await trip(services) for _ in range(5)]
    for trip_id, _ in trips:
        await memory.access_view(services.pool, trip_id)
    assert list(memory._known) == [trip_id for trip_id, _ in trips[2:]]
    assert len(memory._of_user) == 6
    memory.forget_user(trips[0][1])
    memory.forget_user(trips[4][1])
    assert list(memory._known) == [trip_id for trip_id, _ in trips[2:4]]
    memory.forget()
    assert not memory._of_user
