"""No worker, no broker, one sweeper dead: the page still leaves, and still once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from dramatiq.brokers.redis import RedisBroker
from sqlalchemy import text

from backend.escalation import due
from backend.escalation.sending import send_attempt
from backend.notification.simulator.people import DUTY_MANAGER, PRIMARY, SECONDARY, SHIFT
from backend.pipeline.pressing import PressRequest, press
from backend.pipeline.services import Services
from tests.flows.emergency_fixtures import *  # noqa: F403
from tests.flows.emergency_house import House, TripOf, attempts, settled


@pytest.fixture
async def house(house_without_workers: House) -> House:
    for phone in (PRIMARY, SECONDARY, DUTY_MANAGER, SHIFT):
        await house_without_workers.simulator.person(phone, call="no_answer")
    return house_without_workers


def without_broker(services: Services) -> Services:
    return replace(services, broker=RedisBroker(url="redis://127.0.0.1:1"))


async def press_here(house: House, services: Services, trip: TripOf) -> str:
    caller = services.tokens.verify(house.tokens.customer(trip.customer))
    answer = await press(services, caller, UUID(trip.id), PressRequest())
    assert answer.is_new
    return str(answer.view.id)


async def senders(house: House, incident_id: str) -> set[str]:
    async with house.services.db.session() as session:
        rows = await session.execute(
            text("SELECT claimed_by FROM attempt WHERE incident_id = :id AND channel <> 'console'"),
            {"id": incident_id},
        )
        return {str(row.claimed_by).split(":")[0] for row in rows}


async def test_with_the_broker_away_the_sweeper_sends_by_itself_at_once(house: House) -> None:
    alone = without_broker(house.services)
    incident_id = await press_here(house, alone, await house.trip())
    await due.run_due(alone)
    incident = await house.until(incident_id, settled)
    assert len(attempts(incident)) == 2
    assert await senders(house, incident_id) == {"sweeper"}
    house.clock.move(timedelta(seconds=10))
    await due.run_due(alone)
    incident = await house.until(incident_id, lambda now: settled(now) and attempts(now, "call", "Sergei"))
    assert len(await house.simulator.heard(PRIMARY, "ringing")) == 1
    await house.settle(incident_id)


async def test_what_no_worker_picks_up_the_sweeper_sends_after_two_seconds(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    await house.later(1)
    assert not settled(await house.incident(incident_id))
    await house.later(1.1)
    await house.until(incident_id, settled)
    assert await senders(house, incident_id) == {"sweeper"}
    await house.settle(incident_id)


async def test_of_many_sweepers_at_once_one_takes_the_step(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    house.clock.move(timedelta(seconds=10.5))
    await asyncio.gather(*(due.run_due(house.services) for _ in range(6)))
    await house.later(due.PICK_UP_S + 0.1)
    incident = await house.until(incident_id, settled)
    assert [line["text_code"] for line in incident["timeline"]].count("step_taken") == 2
    assert len(await house.simulator.heard(PRIMARY, "sms")) == 2  # one of each step
    await house.settle(incident_id)


async def test_a_sweeper_that_dies_after_its_claim_is_replaced_when_the_lease_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id = await house.pressed(await house.trip())

    async def die(*_: object) -> list[UUID]:
        raise asyncio.CancelledError

    house.clock.move(timedelta(seconds=10.1))
    with monkeypatch.context() as patch:
        patch.setattr(due, "advance", die)
        with pytest.raises(asyncio.CancelledError):
            await due.run_due(house.services)
    assert not attempts(await house.incident(incident_id), "call", "Sergei")
    await house.later(due.LEASE_S + 0.1)
    assert attempts(await house.incident(incident_id), "call", "Sergei")
    await house.settle(incident_id)


async def test_a_sweeper_that_was_overtaken_by_a_person_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id = await house.pressed(await house.trip())
    house.clock.move(timedelta(seconds=10.1))
    held: list[tuple[UUID, int]] = []
    real = due.advance

    async def slow(parts: Services, one: UUID, fence: int) -> list[UUID]:
        held.append((one, fence))
        return []

    with monkeypatch.context() as patch:
        patch.setattr(due, "advance", slow)
        await due.run_due(house.services)
    assert (await house.act(incident_id, "acknowledge")).status_code == 200
    assert await real(house.services, *held[0]) == []
    assert (await house.incident(incident_id))["status"] == "acknowledged"
    await house.settle(incident_id)


async def test_whoever_asks_at_the_same_time_a_phone_rings_once(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    ids = [UUID(one["id"]) for one in attempts(await house.incident(incident_id))]
    await asyncio.gather(*(send_attempt(house.services, one, f"worker:{n}") for one in ids for n in range(4)))
    await house.until(incident_id, lambda now: attempts(now, "call")[0]["status"] == "no_answer")
    assert len(await house.simulator.heard(PRIMARY, "sms")) == 1
    assert len(await house.simulator.heard(PRIMARY, "ringing")) == 1
    await house.settle(incident_id)


@pytest.mark.parametrize("left", [True, False])
async def test_a_worker_killed_in_the_middle_of_a_send_is_made_good_without_a_second_text(
    house: House, left: bool
) -> None:
    incident_id = await house.pressed(await house.trip())
    text_id = attempts(await house.incident(incident_id), "sms")[0]["id"]
    if left:
        await send_attempt(house.services, UUID(text_id), "worker:1")
    async with house.services.db.session() as session:
        await session.execute(
            text(
                "UPDATE attempt SET status = 'sending', sid = NULL, first_tried_at = :now, claimed_until = :until,"
                " fence = fence + 1 WHERE id = :id"
            ),
            {"id": text_id, "now": house.clock.now(), "until": house.clock.now() + timedelta(seconds=5)},
        )
        await session.commit()
    await house.later(5.1)
    await house.until(incident_id, settled)
    await asyncio.sleep(0.1)
    assert len(await house.simulator.heard(PRIMARY, "sms")) == 1
    await house.settle(incident_id)


async def test_attempts_of_an_incident_that_somebody_took_are_not_sent(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    ids = [UUID(one["id"]) for one in attempts(await house.incident(incident_id))]
    assert (await house.act(incident_id, "acknowledge")).status_code == 200
    for one in ids:
        assert await send_attempt(house.services, one, "worker:1") is None
    assert {one["status"] for one in attempts(await house.incident(incident_id))} == {"skipped"}
    assert await house.simulator.heard(PRIMARY) == []
    await house.settle(incident_id)


@pytest.mark.parametrize(
    "damage",
    [
        """UPDATE trip SET location = '{"lat": "north", "lon": [1]}' WHERE id = :trip""",
        """UPDATE trip SET vehicle = '["car"]', location = '3' WHERE id = :trip""",
        r"UPDATE incident SET details_sealed = '\x0102' WHERE trip_id = :trip",
        "DELETE FROM trip WHERE id = :trip",
    ],
)
async def test_whatever_is_wrong_with_the_facts_the_page_leaves(house: House, damage: str) -> None:
    trip = await house.trip()
    incident_id = await house.pressed(trip)
    async with house.services.db.session() as session:
        await session.execute(text(damage), {"trip": trip.id})
        await session.commit()
    await house.later(due.PICK_UP_S + 0.1)
    incident = await house.until(incident_id, settled)
    code = incident["short_code"]
    said = await house.simulator.heard(PRIMARY, "sms") or await _eventually(house)
    assert f"Reply {code} to take it" in said[0]
    await house.settle(incident_id)


async def _eventually(house: House) -> list[str]:
    await asyncio.sleep(0.3)
    return await house.simulator.heard(PRIMARY, "sms")


async def test_one_incident_that_cannot_be_advanced_does_not_keep_the_others_waiting(house: House) -> None:
    broken, sound = await house.pressed(await house.trip()), await house.pressed(await house.trip())
    async with house.services.db.session() as session:
        await session.execute(text("UPDATE incident SET policy = '3' WHERE id = :id"), {"id": broken})
        await session.commit()
    await house.later(10.1)
    assert attempts(await house.incident(sound), "call", "Sergei")
    for incident_id in (broken, sound):
        await house.settle(incident_id)


async def test_a_broker_that_hangs_holds_up_neither_the_press_nor_the_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck:
        def enqueue(self, message: object) -> None:
            time.sleep(5)

    monkeypatch.setattr("backend.escalation.queueing.BROKER_PATIENCE_S", 0.2)
    alone = replace(house.services, broker=cast("RedisBroker", Stuck()))
    began = time.monotonic()
    incident_id = await press_here(house, alone, await house.trip())
    assert time.monotonic() - began < 2
    await due.run_due(alone)
    await house.until(incident_id, settled)
    assert await senders(house, incident_id) == {"sweeper"}
    await house.settle(incident_id)
