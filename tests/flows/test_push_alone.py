"""Push without workers, and with a provider in trouble: the sweeper sends what nobody picks up, two seconds later."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from backend.push.due import LEASE_KEY, Lookout
from tests.factories.chat import Chat
from tests.factories.tokens import bearer
from tests.flows.push_fixtures import *  # noqa: F403
from tests.flows.push_house import (
    PushHouse,
    devices_of,
    marked,
    message_of,
    platform,
    registration,
    remove,
    said,
)

THREAT = "I will kill you"


@pytest.mark.parametrize("mark", ["delivered", "read"])
async def test_a_reader_who_says_within_two_seconds_that_it_is_stored_gets_none(
    ride: Chat, house: PushHouse, mark: str
) -> None:
    phone = await ride.join("customer")
    await said(ride)
    heard = await phone.hear("new-message")
    await phone.send(mark, seq=heard["seq"])
    await marked(house, ride, heard["seq"])
    await house.later(10)
    assert (house.heard(ride), await house.rows(ride)) == ([], [])


async def test_one_of_two_devices_that_has_it_is_enough(chat: Chat, house: PushHouse) -> None:
    await house.register(chat, "customer", f"phone-{chat.trip_id}", f"tablet-{chat.trip_id}")
    tablet = await chat.join("customer")
    await said(chat)
    heard = await tablet.hear("new-message")
    await tablet.send("delivered", seq=heard["seq"])
    await marked(house, chat, heard["seq"])
    await house.later(10)
    assert house.heard(chat) == []


async def test_a_mark_that_comes_while_the_push_waits_stops_it(ride: Chat, house: PushHouse) -> None:
    house.fault("error", word="UNAVAILABLE")
    phone = await ride.join("customer")
    await said(ride)
    heard = await phone.hear("new-message")
    await house.later(5)
    assert [status for status, _ in await house.rows(ride)] == ["retry"]
    await phone.send("read", seq=heard["seq"])
    await marked(house, ride, heard["seq"])
    await house.later(10)
    assert (house.heard(ride), await house.rows(ride)) == ([], [("dropped", "reached")])


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "error", "word": "UNAVAILABLE"},
        {"kind": "error", "word": "INTERNAL"},
        {"kind": "html", "status": 502},
        {"kind": "reset"},
        {"kind": "cut"},
    ],
)
async def test_a_provider_in_trouble_is_asked_again_until_it_takes_the_push(
    ride: Chat, house: PushHouse, trouble: dict[str, Any]
) -> None:
    house.fault(**trouble, times=3)
    await said(ride)
    await house.later(25)
    assert len(house.heard(ride)) == 1
    assert [status for status, _ in await house.rows(ride)] == ["sent"]


async def test_a_provider_that_asks_for_quiet_is_left_alone_so_long(ride: Chat, house: PushHouse) -> None:
    house.fault("error", word="QUOTA_EXCEEDED", retry_after_s=1, times=1)
    await said(ride)
    await house.later(5)
    assert [(status, detail) for status, detail in await house.rows(ride)] == [("retry", "QUOTA_EXCEEDED")]
    await asyncio.sleep(1.1)
    await house.later(5)
    assert len(house.heard(ride)) == 1


async def test_a_push_that_nobody_takes_dies_when_it_is_no_news_any_more(ride: Chat, house: PushHouse) -> None:
    house.fault("error", word="UNAVAILABLE", times=100)
    await said(ride)
    for _ in range(20):
        await house.later(1)
        house.clock.move(timedelta(seconds=50))
    assert [status for status, _ in await house.rows(ride)] == ["dead"]
    counts = (await ride.client.get("/metrics")).text
    assert 'tripwarden_pushes{state="dead"} 1.0' in counts


async def test_a_message_that_we_built_wrongly_dies_at_once_and_forgets_no_device(ride: Chat, house: PushHouse) -> None:
    house.fault("error", word="INVALID_ARGUMENT")
    await said(ride)
    await house.later(6)
    assert await house.rows(ride) == [("dead", "INVALID_ARGUMENT")]
    await said(ride, "and now?")
    await house.later(6)
    assert len(house.heard(ride)) == 1


async def test_a_device_without_the_app_is_forgotten(ride: Chat, house: PushHouse) -> None:
    gone = registration(f"pocket-{ride.customer_id}")
    house.control.put("/push/unregistered", json={"tokens": [gone]}).raise_for_status()
    await said(ride)
    await house.later(6)
    assert await house.rows(ride) == [("dropped", "unregistered")]
    assert await devices_of(house, ride) == 0
    await said(ride, "hello?")
    await house.later(6)
    assert len(await house.rows(ride)) == 1, "nothing is made for nobody"


async def test_an_access_token_that_is_taken_back_is_fetched_anew(ride: Chat, house: PushHouse) -> None:
    await said(ride)
    await house.later(6)
    house.control.post("/push/expire").raise_for_status()
    before = house.control.get("/push/grants").json()["grants"]
    await said(ride, "second")
    await house.later(6)
    assert len(house.heard(ride)) == 2
    assert house.control.get("/push/grants").json()["grants"] == before + 1


async def test_a_message_that_was_removed_before_its_push_went_out_is_not_told(ride: Chat, house: PushHouse) -> None:
    first = await said(ride)
    await house.later(1)
    await remove(house, ride, first["id"])
    await house.later(6)
    assert (house.heard(ride), await house.rows(ride)) == ([], [])
    house.fault("error", word="UNAVAILABLE")
    second = await said(ride, "again")
    await house.later(5)
    await remove(house, ride, second["id"])
    await house.later(6)
    assert (house.heard(ride), await house.rows(ride)) == ([], [("dropped", "withdrawn")])


async def test_a_mask_is_no_new_message(ride: Chat, house: PushHouse) -> None:
    phone = await ride.join("customer")
    message = await said(ride)
    heard = await phone.hear("new-message")
    await phone.send("delivered", seq=heard["seq"])
    await marked(house, ride, heard["seq"])
    await phone.hang_up()
    async with house.services.db.session() as session:
        await house.services.chat.mask(session, ride.trip_id, UUID(message["id"]))
        await session.commit()
    await house.later(6)
    assert house.heard(ride) == []


async def test_lines_of_the_system_and_ones_own_words_are_no_news(ride: Chat, house: PushHouse) -> None:
    await ride.move("pickup")
    await said(ride, "on my way down", role="customer")
    await house.later(6)
    assert house.heard(ride) == []


async def test_a_suspended_reader_is_told_nothing(ride: Chat, house: PushHouse) -> None:
    until = (house.clock.now() + timedelta(hours=1)).isoformat()
    await platform(ride, "suspension", until=until)
    await said(ride)
    await house.later(6)
    assert await house.rows(ride) == []


async def test_devices_from_before_a_revocation_are_told_nothing_until_they_are_named_again(
    ride: Chat, house: PushHouse
) -> None:
    house.clock.move(timedelta(seconds=1))
    await platform(ride, "revoke-tokens")
    await said(ride)
    await house.later(6)
    assert await house.rows(ride) == []
    await house.register(ride, "customer", f"pocket-{ride.customer_id}")
    await said(ride, "who is there?")
    await house.later(6)
    assert len(house.heard(ride)) == 1


async def test_a_phone_that_somebody_else_signs_in_on_hears_nothing_more_of_the_first(
    ride: Chat, house: PushHouse
) -> None:
    house.fault("error", word="UNAVAILABLE")
    await said(ride)
    await house.later(5)
    other = Chat(ride.client, ride.tokens)
    await other.begin()
    await house.register(other, "customer", f"pocket-{ride.customer_id}")
    await house.later(10)
    assert (house.heard(ride), await house.rows(ride)) == ([], [("dropped", "device_removed")])


async def test_a_driver_who_was_swapped_out_is_told_nothing_more(chat: Chat, house: PushHouse) -> None:
    first = chat.driver_id
    await house.register(chat, "driver", f"first-{first}")
    await said(chat, role="customer")
    await chat.begin(driver=uuid4())
    await house.register(chat, "driver", f"second-{chat.driver_id}")
    await house.later(6)
    assert house.heard(chat) == [], "what was said to the first is not the second one's to hear of"
    await said(chat, "are you the new one?", role="customer")
    await house.later(6)
    (push,) = house.heard(chat)
    assert push["token"] == registration(f"second-{chat.driver_id}")


async def test_killed_between_sending_and_writing_it_goes_out_once_more_under_the_same_key(
    ride: Chat, house: PushHouse
) -> None:
    await said(ride)
    await house.later(6)
    await house.services.pool.execute(
        "UPDATE push SET status = 'sending', claimed_until = $2 WHERE trip_id = $1",
        ride.trip_id,
        house.clock.now() + timedelta(seconds=30),
    )
    await house.later(20)
    assert len(house.heard(ride)) == 1, "whoever holds it may still be at work"
    await house.later(15)
    first, second = house.heard(ride)
    assert first["data"]["key"] == second["data"]["key"]
    assert first["android"]["collapse_key"] == second["android"]["collapse_key"]
    await house.later(60)
    assert len(house.heard(ride)) == 2


async def test_an_answer_that_was_lost_costs_one_more_under_the_same_key(ride: Chat, house: PushHouse) -> None:
    house.fault("reset", after=True)
    await said(ride)
    await house.later(20)
    first, second = house.heard(ride)
    assert first["data"]["key"] == second["data"]["key"]


async def test_two_sweepers_that_both_look_make_one_push(ride: Chat, house: PushHouse) -> None:
    other = PushHouse(house.services, house.clock, Lookout(), house.control)
    await said(ride)
    for _ in range(12):
        await house.later(0.5)
        # Valkey has forgotten who looks.
        await house.services.redis.delete(LEASE_KEY)
        other.lookout._ask_at = house.lookout._ask_at = 0.0
        await other.sweep()
    assert len(house.heard(ride)) == 1


async def test_a_sweeper_that_starts_anew_finds_what_the_last_one_left(ride: Chat, house: PushHouse) -> None:
    message = await said(ride)
    await house.later(1)
    await house.services.redis.delete(LEASE_KEY)
    house.lookout = Lookout()
    await house.later(6)
    (push,) = house.heard(ride)
    assert str(message_of(push)) == message["id"]


async def test_tokens_are_sealed_at_rest_and_replaced_whole(ride: Chat, house: PushHouse) -> None:
    rows = await house.services.pool.fetch("SELECT * FROM push_device WHERE user_id = $1", ride.customer_id)
    assert len(rows) == 1
    assert b"APA91b" not in b"".join(value for value in rows[0].values() if isinstance(value, bytes))
    await house.register(ride, "customer", "other-phone")
    assert await devices_of(house, ride) == 1
    await house.register(ride, "customer")
    assert await devices_of(house, ride) == 0


@pytest.mark.parametrize(
    "devices",
    [
        [{"token": "x" * 20}],
        [{"token": "x" * 20, "platform": "pager"}],
        [{"token": "with blanks in it", "platform": "ios"}],
        [{"token": "x" * 5_000, "platform": "ios"}],
        [{"token": f"{n}" * 20, "platform": "ios"} for n in range(10)] + [{"token": "y" * 20, "platform": "ios"}],
    ],
)
async def test_devices_that_are_not_right_are_refused(chat: Chat, devices: list[dict[str, Any]]) -> None:
    answer = await chat.client.put(
        f"/api/platform/users/{chat.customer_id}", json={"devices": devices}, headers=bearer(chat.tokens.service())
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_body"
