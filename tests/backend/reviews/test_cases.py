"""Signals merge into the one open case of a trip and kind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from backend.errors import ProblemError
from backend.reviews.access import CaseFilter, access_case, access_cases
from backend.reviews.models import ReviewCase
from backend.reviews.severity import SEVERITIES, SLA_S
from tests.backend.reviews.conftest import Desk


async def test_a_second_signal_of_the_same_trip_and_kind_joins_the_open_case(desk: Desk) -> None:
    trip = await desk.trip()
    first = await desk.signal(trip, "low", reasons=("link",))
    second = await desk.signal(trip, "low", reasons=("phone", "link"))
    assert second == first
    async with desk.services.db.session() as session:
        case = await access_case(session, first, desk.clock.now())
    assert case.reasons == ["link", "phone"]
    assert len(case.message_ids) == 2


async def test_a_worse_signal_raises_severity_shortens_the_due_time_and_names_its_person(desk: Desk) -> None:
    trip, worse_person = await desk.trip(), uuid4()
    case_id = await desk.signal(trip, "low")
    desk.clock.move(timedelta(seconds=10))
    await desk.signal(trip, "critical", about=worse_person)
    await desk.signal(trip, "medium")
    async with desk.services.db.session() as session:
        case = await access_case(session, case_id, desk.clock.now())
    assert case.severity == "critical"
    assert case.due_at == desk.clock.now() + timedelta(seconds=SLA_S["critical"])
    assert case.about_user_id == worse_person


async def test_another_kind_and_another_trip_are_other_cases(desk: Desk) -> None:
    trip = await desk.trip()
    cases = {await desk.signal(trip), await desk.signal(trip, kind="urgent"), await desk.signal(await desk.trip())}
    assert len(cases) == 3


async def test_many_signals_at_the_same_moment_make_one_case_that_holds_all_of_them(desk: Desk) -> None:
    trip = await desk.trip()
    cases = await asyncio.gather(*(desk.signal(trip) for _ in range(8)))
    assert len(set(cases)) == 1
    (count,) = await desk.rows("SELECT count(*) FROM case_signal WHERE case_id = $1", cases[0])
    assert count[0] == 8


async def test_after_a_case_is_closed_a_new_signal_opens_a_new_one(desk: Desk) -> None:
    trip = await desk.trip()
    first = await desk.signal(trip)
    async with desk.services.db.session() as session:
        await session.execute(update(ReviewCase).where(ReviewCase.id == first).values(state="closed"))
        await session.commit()
    assert await desk.signal(trip) != first


async def test_a_signal_on_an_unknown_trip_is_refused(desk: Desk) -> None:
    with pytest.raises(ProblemError, match="trip_not_found"):
        await desk.signal(uuid4())


async def test_each_severity_has_a_shorter_due_time_than_the_one_below(desk: Desk) -> None:
    limits = [SLA_S[severity] for severity in SEVERITIES]
    assert limits == sorted(limits, reverse=True)
    assert limits == [14_400, 1_800, 300, 60]


async def test_the_list_is_in_order_of_due_time_and_pages_neither_skip_nor_repeat(desk: Desk) -> None:
    for severity in ("low", "critical", "medium", "high", "low"):
        await desk.signal(await desk.trip(), severity)
    seen = []
    after = None
    while True:
        async with desk.services.db.session() as session:
            page, total = await access_cases(session, CaseFilter(after=after, limit=2), desk.clock.now())
        assert total == 5
        if not page:
            break
        seen += page
        after = (page[-1].due_at, page[-1].id)
    assert [case.severity for case in seen] == ["critical", "high", "medium", "low", "low"]
    assert len({case.id for case in seen}) == 5


async def test_opening_and_merging_leave_audit_entries_without_text(desk: Desk) -> None:
    trip = await desk.trip()
    await desk.signal(trip)
    await desk.signal(trip)
    rows = await desk.rows("SELECT event FROM audit_intake WHERE event LIKE 'case.%'")
    assert {"case.opened", "case.merged"} <= {row["event"] for row in rows}
