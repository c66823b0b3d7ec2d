"""Claims are leases: one person a case, and nobody who walked away keeps it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from backend.errors import ProblemError
from backend.reviews import claims
from backend.reviews.access import access_case
from backend.reviews.severity import LEASE_S, SKIP_REST_S
from tests.backend.reviews.conftest import Desk


async def _skip(desk: Desk, case_id: UUID, account_id: UUID) -> None:
    async with desk.services.db.session() as session:
        await claims.skip(session, desk.services.audit, desk.clock, case_id, account_id=account_id, reason="no Kazakh")
        await session.commit()


async def _refer(desk: Desk, case_id: UUID, account_id: UUID, to_role: str) -> None:
    async with desk.services.db.session() as session:
        await claims.refer(
            session,
            desk.services.audit,
            desk.clock,
            case_id,
            account_id=account_id,
            to_role=to_role,
            reason="a threat",
        )
        await session.commit()


async def _claim(desk: Desk, case_id: UUID, account_id: UUID, role: str = "moderator") -> None:
    async with desk.services.db.session() as session:
        await claims.claim(session, desk.services.audit, desk.clock, case_id, account_id=account_id, staff_role=role)
        await session.commit()


async def test_two_reviewers_who_claim_at_once_get_different_cases(desk: Desk) -> None:
    opened = {await desk.signal(await desk.trip()) for _ in range(2)}
    got = await asyncio.gather(desk.claim_next(uuid4()), desk.claim_next(uuid4()))
    assert {case.id for case in got if case} == opened


async def test_one_case_and_many_reviewers_goes_to_exactly_one(desk: Desk) -> None:
    await desk.signal(await desk.trip())
    got = await asyncio.gather(*(desk.claim_next(uuid4()) for _ in range(6)))
    assert len([case for case in got if case]) == 1


async def test_critical_cases_come_first_then_due_time(desk: Desk) -> None:
    old = await desk.signal(await desk.trip(), "low")
    desk.clock.move(timedelta(seconds=14_400))
    critical = await desk.signal(await desk.trip(), "critical")
    assert [getattr(await desk.claim_next(uuid4()), "id", None) for _ in range(3)] == [critical, old, None]


async def test_who_holds_a_case_gets_the_same_one_again(desk: Desk) -> None:
    me = uuid4()
    await desk.signal(await desk.trip())
    await desk.signal(await desk.trip())
    first, again = await desk.claim_next(me), await desk.claim_next(me)
    assert first is not None
    assert again is not None
    assert first.id == again.id
    (count,) = await desk.rows("SELECT count(*) FROM case_claim")
    assert count[0] == 1


async def test_a_lapsed_lease_goes_to_the_next_and_the_first_hears_that_it_is_taken(desk: Desk) -> None:
    first, second = uuid4(), uuid4()
    case_id = await desk.signal(await desk.trip())
    await desk.claim_next(first)
    desk.clock.move(timedelta(seconds=LEASE_S - 1))
    assert await desk.claim_next(second) is None
    desk.clock.move(timedelta(seconds=2))
    async with desk.services.db.session() as session:
        assert (await access_case(session, case_id, desk.clock.now())).state == "open"
    assert await desk.claim_next(second) is not None
    async with desk.services.db.session() as session:
        with pytest.raises(ProblemError, match="case_taken"):
            await claims.heartbeat(session, desk.clock, case_id, account_id=first)
    rows = await desk.rows("SELECT ended_how FROM case_claim WHERE account_id = $1", first)
    assert [row["ended_how"] for row in rows] == ["expired"]


async def test_a_heartbeat_keeps_the_lease(desk: Desk) -> None:
    me = uuid4()
    case_id = await desk.signal(await desk.trip())
    await desk.claim_next(me)
    for _ in range(3):
        desk.clock.move(timedelta(seconds=LEASE_S - 10))
        async with desk.services.db.session() as session:
            await claims.heartbeat(session, desk.clock, case_id, account_id=me)
            await session.commit()
    assert await desk.claim_next(uuid4()) is None


async def test_a_skipped_case_goes_to_others_and_comes_back_later(desk: Desk) -> None:
    me, other = uuid4(), uuid4()
    case_id = await desk.signal(await desk.trip())
    await desk.claim_next(me)
    await _skip(desk, case_id, me)
    assert await desk.claim_next(me) is None
    taken = await desk.claim_next(other)
    assert taken is not None
    await _skip(desk, case_id, other)
    desk.clock.move(timedelta(seconds=SKIP_REST_S + 1))
    again = await desk.claim_next(me)
    assert again is not None
    assert again.id == case_id


async def test_a_referred_case_waits_for_its_role(desk: Desk) -> None:
    me, lead = uuid4(), uuid4()
    case_id = await desk.signal(await desk.trip())
    await desk.claim_next(me)
    await _refer(desk, case_id, me, "lead")
    assert await desk.claim_next(me) is None
    with pytest.raises(ProblemError, match="forbidden"):
        await _claim(desk, case_id, me)
    taken = await desk.claim_next(lead, "lead")
    assert taken is not None
    assert taken.id == case_id


async def test_nobody_refers_to_a_role_that_does_not_decide(desk: Desk) -> None:
    me = uuid4()
    case_id = await desk.signal(await desk.trip())
    await desk.claim_next(me)
    with pytest.raises(ProblemError, match="invalid_value"):
        await _refer(desk, case_id, me, "viewer")


async def test_a_case_that_somebody_holds_cannot_be_claimed_by_name(desk: Desk) -> None:
    case_id = await desk.signal(await desk.trip())
    await desk.claim_next(uuid4())
    with pytest.raises(ProblemError, match="case_taken"):
        await _claim(desk, case_id, uuid4())


async def test_skip_without_a_claim_is_refused(desk: Desk) -> None:
    case_id = await desk.signal(await desk.trip())
    with pytest.raises(ProblemError, match="case_not_claimed"):
        await _skip(desk, case_id, uuid4())
    with pytest.raises(ProblemError, match="not_found"):
        await _skip(desk, uuid4(), uuid4())
