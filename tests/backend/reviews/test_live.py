"""Live trips ranked by risk, and the one state that the console follows."""

from __future__ import annotations

from datetime import timedelta

from backend.reviews.live import LiveFilter, LiveTrip, access_desk_state, access_live_trips
from tests.backend.reviews.conftest import Desk


async def _live(desk: Desk, wish: LiveFilter | None = None) -> list[LiveTrip]:
    async with desk.services.db.session() as session:
        items, _ = await access_live_trips(session, wish or LiveFilter(), desk.clock.now())
    return items


async def test_a_trip_with_an_urgent_case_stands_above_one_with_a_small_one_and_a_quiet_one(desk: Desk) -> None:
    quiet, small, urgent = await desk.trip(), await desk.trip(), await desk.trip()
    await desk.signal(small, "low")
    await desk.signal(urgent, "critical", kind="urgent")
    ranked = await _live(desk)
    assert [trip.trip_id for trip in ranked] == [urgent, small, quiet]
    assert ranked[0].risk > ranked[1].risk > ranked[2].risk == 0.0
    assert ranked[0].risk_reasons == ["case_critical"]
    assert [trip.open_cases for trip in ranked] == [1, 1, 0]


async def test_messages_are_counted_and_never_shown(desk: Desk) -> None:
    trip = await desk.trip()
    await desk.say(trip, "I am at the corner")
    (shown,) = await _live(desk)
    assert shown.messages == 1
    assert shown.last_message_at == desk.clock.now()
    assert "corner" not in repr(shown)


async def test_ended_trips_and_other_markets_are_left_out(desk: Desk) -> None:
    await desk.trip(status="completed")
    here = await desk.trip(market="kz")
    await desk.trip(market="default")
    assert [trip.trip_id for trip in await _live(desk, LiveFilter(market="kz"))] == [here]
    assert len(await _live(desk)) == 2


async def test_pages_by_risk_and_by_start_neither_skip_nor_repeat(desk: Desk) -> None:
    trips = []
    for severity in ("low", "medium", "high", "critical", "low"):
        desk.clock.move(timedelta(seconds=1))
        trips.append(await desk.trip())
        await desk.signal(trips[-1], severity)
    for sort in ("risk", "started"):
        seen, after = [], None
        while True:
            wish = LiveFilter(sort=sort, after=after, limit=2)
            async with desk.services.db.session() as session:
                items, after = await access_live_trips(session, wish, desk.clock.now())
            seen += [trip.trip_id for trip in items]
            if after is None:
                break
        assert len(seen) == 5
        assert set(seen) == set(trips)


async def test_the_state_changes_its_cursor_exactly_when_something_changes(desk: Desk) -> None:
    async def state() -> tuple[str, int, int, int, int]:
        async with desk.services.db.session() as session:
            found = await access_desk_state(session, desk.clock.now())
        return found.cursor, found.review.open, found.review.overdue, found.review.urgent, found.trips.live

    nothing = await state()
    assert nothing[1:] == (0, 0, 0, 0)
    desk.clock.move(timedelta(seconds=1))
    assert await state() == nothing
    await desk.signal(await desk.trip(), "critical")
    waiting = await state()
    assert waiting[0] != nothing[0]
    assert waiting[1:] == (1, 0, 1, 1)
    desk.clock.move(timedelta(seconds=61))
    late = await state()
    assert late[0] != waiting[0]
    assert late[1:] == (1, 1, 1, 1)
