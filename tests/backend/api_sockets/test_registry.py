"""The seats of a process: a bell looks at those whom it concerns, a tick at everybody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from backend.accounts.caller import Caller
from backend.api.sockets import registry as registries
from backend.api.sockets.closing import Close
from backend.api.sockets.outlet import Outlet
from backend.api.sockets.registry import Seat, SocketRegistry
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip
from backend.trips.service import Person, TripFacts
from tests.fakes.pipe import Pipe


async def trip(services: Services, driver_id: UUID) -> UUID:
    trip_id = uuid4()
    facts = TripFacts(market="default", status="accepted", driver=Person(id=driver_id), customer=Person(id=uuid4()))
    await save_trip(services, trip_id, facts)
    return trip_id


def seat(driver_id: UUID, trip_id: UUID) -> Seat:
    now = datetime.now(UTC)
    caller = Caller(role="driver", id=driver_id, token_id="t", issued_at=now, expires_at=now + timedelta(hours=1))
    return Seat(caller, trip_id, Outlet(Pipe(), 1000, 10))


async def test_a_bell_closes_at_once_whom_it_concerns(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "WATCH_S", 60.0)
    registry, first, second = SocketRegistry(services), uuid4(), uuid4()
    concerned, other = seat(first, await trip(services, first)), seat(second, await trip(services, second))
    for one in (concerned, other):
        registry.take(one)
    watching = asyncio.create_task(registry.watch())
    await services.pool.execute("UPDATE trip_chat SET driver_id = gen_random_uuid()")
    services.hub.control("trip_changed", trip_id=concerned.trip_id)
    for _ in range(200):
        if concerned.outlet.closing is not None:
            break
        await asyncio.sleep(0.01)
    assert (concerned.outlet.closing, other.outlet.closing) == (Close.NOT_YOURS, None)
    services.hub.control("bells_missed")
    for _ in range(200):
        if other.outlet.closing is not None:
            break
        await asyncio.sleep(0.01)
    assert other.outlet.closing is Close.NOT_YOURS
    watching.cancel()


async def test_bells_of_others_do_not_put_off_the_look_at_everybody(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "WATCH_S", 0.2)
    registry, driver_id = SocketRegistry(services), uuid4()
    swapped = seat(driver_id, await trip(services, driver_id))
    noisy = seat(uuid4(), uuid4())
    registry.take(swapped)
    watching = asyncio.create_task(registry.watch())
    await services.pool.execute("UPDATE trip_chat SET driver_id = gen_random_uuid()")
    for _ in range(100):
        if swapped.outlet.closing is not None:
            break
        registry._suspects.add(noisy)
        registry._look_now.set()
        await asyncio.sleep(0.02)
    watching.cancel()
    assert swapped.outlet.closing is Close.NOT_YOURS


async def test_a_seat_given_back_is_free_again(services: Services) -> None:
    registry, driver_id, trip_id = SocketRegistry(services), uuid4(), uuid4()
    seats = [seat(driver_id, trip_id) for _ in range(services.settings.limit.sockets_per_user)]
    for one in seats:
        registry.take(one)
    with pytest.raises(ProblemError, match="too_many_sockets"):
        registry.take(seat(driver_id, trip_id))
    assert not registry.leave(seats.pop())
    registry.take(again := seat(driver_id, trip_id))
    assert [registry.leave(one) for one in [*seats, again]] == [False] * len(seats) + [True]
    assert not registry.present()
