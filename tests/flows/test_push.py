"""Push: a phone that has not heard of a message within two seconds is told, once, and without its words."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from tests.factories.chat import Chat
from tests.flows.push_fixtures import *  # noqa: F403
from tests.flows.push_house import (
    PushHouse,
    message_of,
    registration,
    said,
    seq_of,
)

THREAT = "I will kill you"


async def test_a_reader_who_is_away_gets_one_push_between_two_and_three_seconds_after_the_message(
    ride: Chat, house: PushHouse, worker: None
) -> None:
    message = await said(ride)
    await house.later(1.5)
    assert await house.rows(ride) == [], "an app has two seconds to say that it has it"
    await house.later(1.5)
    (push,) = await house.hears(ride, 1)
    assert str(message_of(push)) == message["id"]
    await house.later(20)
    assert len(house.heard(ride)) == 1, "once is enough"
    assert await house.rows(ride) == [("sent", None)]


async def test_a_push_holds_no_word_of_the_message_and_replaces_the_last_one_of_its_trip(
    ride: Chat, house: PushHouse, worker: None
) -> None:
    await said(ride, "the door code is mandarin")
    await house.later(3)
    (push,) = await house.hears(ride, 1)
    assert "mandarin" not in json.dumps(push)
    assert push["notification"]["title"] == "New message from your driver"
    trip = str(ride.trip_id)
    assert (push["android"]["collapse_key"], push["apns"]["headers"]["apns-collapse-id"]) == (trip, trip)
    assert push["android"]["ttl"] in ("597s", "598s"), "it lives as long as the message is news"


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("ru-KZ", "Новое сообщение от водителя"),
        ("kk", "Жүргізушіден жаңа хабарлама"),
        ("es", "Nuevo mensaje de su conductor"),
    ],
)
async def test_the_line_is_in_the_language_of_the_device(
    chat: Chat, house: PushHouse, worker: None, locale: str, title: str
) -> None:
    await house.register(chat, "customer", f"abroad-{chat.trip_id}", locale=locale)
    await said(chat)
    await house.later(3)
    (push,) = await house.hears(chat, 1)
    assert push["notification"]["title"] == title


async def test_the_driver_reads_that_it_is_the_rider(chat: Chat, house: PushHouse, worker: None) -> None:
    await house.register(chat, "driver", f"cradle-{chat.trip_id}")
    await said(chat, role="customer")
    await house.later(3)
    (push,) = await house.hears(chat, 1)
    assert push["notification"]["title"] == "New message from your rider"


async def test_an_open_socket_that_says_nothing_is_no_proof(ride: Chat, house: PushHouse, worker: None) -> None:
    phone = await ride.join("customer")
    await said(ride)
    await phone.hear("new-message")
    await house.later(3)
    await house.hears(ride, 1)


async def test_with_two_devices_away_each_gets_one(chat: Chat, house: PushHouse, worker: None) -> None:
    names = [f"phone-{chat.trip_id}", f"tablet-{chat.trip_id}"]
    await house.register(chat, "customer", *names)
    await said(chat)
    await house.later(3)
    pushes = await house.hears(chat, 2)
    assert {push["token"] for push in pushes} == {registration(name) for name in names}
    assert len({push["data"]["key"] for push in pushes}) == 2
    await house.later(10)
    assert len(house.heard(chat)) == 2


async def test_of_several_messages_at_once_the_newest_stands_for_all(
    ride: Chat, house: PushHouse, worker: None
) -> None:
    for number in range(4):
        last = await said(ride, f"floor {number}")
    await house.later(3)
    (push,) = await house.hears(ride, 1)
    assert str(message_of(push)) == last["id"]
    assert seq_of(push) == (await ride.history("customer"))["lastSeq"]


async def test_a_withheld_message_is_told_only_after_its_release(ride: Chat, house: PushHouse, worker: None) -> None:
    message = await said(ride, THREAT)
    assert message["status"] == "quarantined"
    await house.later(10)
    assert house.heard(ride) == []
    async with house.services.db.session() as session:
        await house.services.chat.release(session, ride.trip_id, UUID(message["id"]))
        await session.commit()
    await house.later(3)
    (push,) = await house.hears(ride, 1)
    assert str(message_of(push)) == message["id"]
    assert "kill" not in json.dumps(push)
