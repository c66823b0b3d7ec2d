"""The database put back to an earlier state under running processes: new epoch, and every socket has to resume."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from backend.messages.access import access_epoch
from backend.pipeline.services import Services
from backend.realtime import hub as hubs
from tests.backend.realtime.houses import listen, new_trip, say, until


@pytest.fixture(scope="module", autouse=True)
def short_times() -> Generator[None]:
    """A re-check every .2 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hubs, "RECHECK_S", 0.2)
        yield


async def test_numbers_that_went_back_give_a_new_epoch_and_end_every_socket(
    services: Services, second: Services
) -> None:
    trip_id, other_trip = await new_trip(services), await new_trip(services)
    for _ in range(3):
        await say(services, trip_id)
    phone, elsewhere = await listen(services, trip_id, last=3), await listen(second, other_trip)
    assert not await until(lambda: phone.must_resume, 0.5), "nothing went back yet"
    epoch = await access_epoch(services.pool)
    await services.pool.execute("DELETE FROM trip_event WHERE trip_id = $1 AND seq_driver > 1", trip_id)
    await services.pool.execute("UPDATE trip_chat SET seq_driver = 1, seq_customer = 1 WHERE trip_id = $1", trip_id)
    assert await until(lambda: phone.must_resume and elsewhere.must_resume, 2.0)
    assert await access_epoch(services.pool) != epoch
    late = await listen(services, trip_id, last=1)
    await say(services, trip_id)
    assert late.heard == [2]


async def test_an_epoch_changed_by_another_process_ends_the_sockets_here(services: Services) -> None:
    phone = await listen(services, await new_trip(services))
    assert not await until(lambda: phone.must_resume, 0.5)
    await services.pool.execute("UPDATE installation SET epoch = gen_random_uuid()")
    assert await until(lambda: phone.must_resume, 2.0)


async def test_an_event_that_is_delivered_while_the_rows_are_read_is_no_restore(services: Services) -> None:
    trip_id = await new_trip(services)
    phone, epoch = await listen(services, trip_id), await access_epoch(services.pool)
    for _ in range(150):
        await say(services, trip_id)
    assert phone.heard == list(range(1, 151))
    assert not phone.must_resume
    assert await access_epoch(services.pool) == epoch
