"""What the sweepers find: the run of the day, steps that are due, workers that do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

from backend.bootstrap import build_broker
from backend.records import due, jobs
from backend.records.desk import Services
from backend.settings import Settings
from backend.worker import build_worker
from retention.jobs import QUEUE
from tests.backend.records.city_of_records import Records, count, make_trip
from tests.backend.records.conftest import UNTIL_DUE

HOUR = timedelta(hours=1, seconds=1)


class Bells:
    """Hears which trips everybody was asked to look at again, and whether to drop opened keys."""

    def __init__(self) -> None:
        self.trips: list[object] = []
        self.keys_gone = False

    def control(self, kind: str, *, trip_id: object = None) -> None:
        self.keys_gone |= kind == "keys_destroyed"
        if trip_id is not None:
            self.trips.append(trip_id)


def services_of(records: Records, broker: dramatiq.Broker) -> Services:
    parts = {name: getattr(records, name) for name in ("db", "keyring", "audit", "clock")}
    return cast("Services", SimpleNamespace(**parts, broker=broker, hub=Bells()))


@pytest.fixture
def broken_broker() -> Iterator[dramatiq.Broker]:
    broker = RedisBroker(url="redis://127.0.0.1:9/0", middleware=[])
    yield broker
    broker.close()


async def test_one_run_a_day_however_many_sweepers_look(records: Records) -> None:
    services = services_of(records, StubBroker())
    await asyncio.gather(*(due.run_due(services) for _ in range(5)))
    assert await count(records, "disposition_run WHERE kind = 'daily'") == 1
    records.clock.move(timedelta(days=1))
    await due.run_due(services)
    assert await count(records, "disposition_run WHERE kind = 'daily'") == 2


async def test_in_health_the_steps_run_in_a_worker(records: Records, redis_url: str) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    broker = StubBroker()
    services = services_of(records, broker)
    jobs.declare_actors(broker, lambda: services)
    await due.run_due(services)
    assert broker.queues[QUEUE].qsize() == 1
    assert await count(records, "disposition_step WHERE done_at IS NOT NULL") == 0, "the sweeper only asks"
    await due.run_due(services)
    assert broker.queues[QUEUE].qsize() == 1, "a worker that was just asked is not asked again"


async def test_a_real_worker_over_a_real_broker_does_the_steps(records: Records, settings: Settings) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    worker = await asyncio.to_thread(build_worker, settings, clock=records.clock)
    broker = build_broker(settings)
    await asyncio.to_thread(worker.start)
    try:
        services = services_of(records, broker)
        await due.start_daily(services)
        await due.run_due(services)
        for _ in range(200):
            if await count(records, "disposition_run WHERE status = 'quarantine'"):
                break
            await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(worker.stop)
        broker.close()
    assert await count(records, "disposition_run WHERE status = 'quarantine'") == 1
    assert await count(records, "trip_message") == 0


async def test_with_the_broker_away_the_sweeper_does_it_itself(
    records: Records, broken_broker: dramatiq.Broker
) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    services = services_of(records, broken_broker)
    await due.run_due(services)
    assert await count(records, "disposition_run WHERE status = 'quarantine'") == 1
    records.clock.move(timedelta(minutes=30))
    await due.run_due(services)
    assert await count(records, "disposition_run WHERE status = 'quarantine'") == 1
    records.clock.move(HOUR)
    await due.run_due(services)
    assert await count(records, "disposition_run WHERE status = 'done'") == 1
    assert await count(records, "trip_message") == 0


async def test_a_worker_that_never_answers_is_asked_again_and_then_passed_over(records: Records) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    broker = StubBroker()
    services = services_of(records, broker)
    jobs.declare_actors(broker, lambda: services)
    for _ in range(due.SENDS):
        await due.run_due(services)
        records.clock.move(due.ASK_AGAIN + timedelta(seconds=1))
    assert broker.queues[QUEUE].qsize() == due.SENDS
    assert await count(records, "disposition_step WHERE done_at IS NOT NULL") == 0
    await due.run_due(services)
    assert await count(records, "disposition_run WHERE status = 'quarantine'") == 1


async def test_everybody_looks_again_at_trips_whose_records_moved(
    records: Records, broken_broker: dramatiq.Broker
) -> None:
    from backend.records.service import HoldDraft, RetentionDesk

    held = await make_trip(records)
    async with records.db.session() as session:
        await RetentionDesk(records).place_hold(session, HoldDraft("trip", str(held), "court order"), None)
        await session.commit()
    records.clock.move(UNTIL_DUE)
    services = services_of(records, broken_broker)
    await due.run_due(services)
    bells = cast("Bells", services.hub)
    assert held in bells.trips
    assert bells.keys_gone
