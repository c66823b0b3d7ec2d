"""The chat of a trip over REST: sent once, read by both, numbered, acknowledged after the commit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from backend.clock import MovableClock
from tests.factories.chat import Chat
from tests.factories.tokens import bearer


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    """Time is moved."""
    return MovableClock()


async def test_what_the_driver_writes_the_rider_reads(chat: Chat) -> None:
    sent = (await chat.say("driver", "I am at the north gate")).json()
    assert UUID(sent["id"]).version == 7
    assert (sent["status"], sent["seq"], sent["senderName"]) == ("delivered", 1, "Dana")
    page = await chat.history("customer")
    assert [item["content"] for item in page["items"]] == ["I am at the north gate"]
    assert page["lastSeq"] == 1
    assert page["items"][0]["id"] == sent["id"]


async def test_the_message_object_has_every_field_of_the_contract(chat: Chat) -> None:
    sent = (await chat.say("customer", "blue jacket")).json()
    assert set(sent) == {
        "id", "trip_id", "sender_id", "sender_type", "message_type", "content", "media_url", "quick_message_template",
        "is_read", "read_at", "delivered_at", "created_at", "seq", "client_message_id", "reply_to", "status",
        "senderName", "timestamp",
    }  # fmt: skip


async def test_a_repeat_is_answered_as_the_first_time_and_stored_once(chat: Chat) -> None:
    client_id = str(uuid4())
    first = await chat.say("driver", "here", clientMessageId=client_id)
    again = await chat.say("driver", "here", clientMessageId=client_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert len((await chat.history("customer"))["items"]) == 1


async def test_twenty_repeats_at_once_make_one_message(chat: Chat) -> None:
    client_id = str(uuid4())
    answers = await asyncio.gather(*(chat.say("driver", "here", clientMessageId=client_id) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_the_same_id_with_other_words_is_refused(chat: Chat) -> None:
    client_id = str(uuid4())
    await chat.say("driver", "here", clientMessageId=client_id)
    other = await chat.say("driver", "there", clientMessageId=client_id)
    assert (other.status_code, other.json()["code"]) == (409, "client_message_id_reused")


async def test_the_other_side_may_use_the_same_id(chat: Chat) -> None:
    client_id = str(uuid4())
    assert (await chat.say("driver", "here", clientMessageId=client_id)).status_code == 201
    assert (await chat.say("customer", "where", clientMessageId=client_id)).status_code == 201


async def test_a_rejected_message_is_rejected_again_on_repeat(chat: Chat) -> None:
    answers = [await chat.say("driver", "hello??", clientMessageId=str(uuid4())) for _ in range(8)]
    rejected = [answer for answer in answers if answer.status_code == 422]
    assert rejected, "the flood signal is off"
    body = rejected[0].json()
    assert (body["code"], body["reason"]) == ("message_rejected", "flood")
    again = await chat.say("driver", "hello??", clientMessageId=body["clientMessageId"])
    assert (again.status_code, again.json()["code"]) == (422, "message_rejected")
    heard = [item["content"] for item in (await chat.history("customer"))["items"]]
    assert len(heard) == len(answers) - len(rejected)


async def test_pages_go_back_by_before_seq_and_on_by_after_seq(chat: Chat) -> None:
    for word in ("one", "two", "three", "four", "five"):
        await chat.say("driver", word)
    newest = (await chat.history("customer", limit=2))["items"]
    assert [item["content"] for item in newest] == ["five", "four"]
    older = (await chat.history("customer", limit=2, before_seq=newest[-1]["seq"]))["items"]
    assert [item["content"] for item in older] == ["three", "two"]
    later = (await chat.history("customer", after_seq=3))["items"]
    assert [item["content"] for item in later] == ["four", "five"]


async def test_a_reply_names_a_message_of_the_same_trip(chat: Chat) -> None:
    first = (await chat.say("driver", "which gate?")).json()
    reply = await chat.say("customer", "north", replyTo=first["id"])
    assert reply.json()["reply_to"] == first["id"]
    foreign = await chat.say("customer", "north", replyTo=str(uuid4()))
    assert (foreign.status_code, foreign.json()["code"]) == (404, "message_not_found")


async def test_a_read_mark_covers_everything_before_it(chat: Chat) -> None:
    sent = [(await chat.say("driver", word)).json() for word in ("one", "two", "three")]
    answer = await chat.client.put(f"{chat.path}/messages/{sent[1]['id']}/read", headers=chat.as_("customer"))
    assert answer.status_code == 200
    mine = {item["content"]: item for item in (await chat.history("driver"))["items"]}
    assert [mine[word]["is_read"] for word in ("one", "two", "three")] == [True, True, False]
    assert mine["one"]["delivered_at"] == mine["one"]["read_at"]


async def test_a_read_mark_never_goes_back(chat: Chat, clock: MovableClock) -> None:
    sent = [(await chat.say("driver", word)).json() for word in ("one", "two")]
    told: list[str] = []
    for message in (sent[1], sent[0]):
        answer = await chat.client.put(f"{chat.path}/messages/{message['id']}/read", headers=chat.as_("customer"))
        told.append(answer.json()["readAt"])
        clock.move(timedelta(seconds=5))
    assert told[0] == told[1], "said again, it was read when it was first read"
    mine = {item["content"]: item for item in (await chat.history("driver"))["items"]}
    assert mine["two"]["is_read"]
    assert mine["one"]["read_at"] == mine["two"]["read_at"]


async def test_a_template_reaches_each_side_in_its_own_language(chat: Chat) -> None:
    chat.locales = {"driver": "ru-KZ", "customer": "es"}
    await chat.begin()
    sent = await chat.client.post(
        f"{chat.path}/messages/quick", json={"templateKey": "driver_arrived"}, headers=chat.as_("driver")
    )
    assert (sent.status_code, sent.json()["content"]) == (201, "Я на месте посадки")
    item = (await chat.history("customer"))["items"][0]
    assert (item["content"], item["quick_message_template"]) == ("He llegado al punto de recogida", "driver_arrived")
    used = await chat.client.post(
        "/api/messages/templates/use",
        json={"tripId": str(chat.trip_id), "templateKey": "customer_wait"},
        headers=chat.as_("customer"),
    )
    assert used.json()["message_type"] == "quick"


async def test_each_role_has_its_own_templates(chat: Chat) -> None:
    async def keys(role: str, **query: str) -> set[str]:
        answer = await chat.client.get("/api/messages/templates", params=query, headers=chat.as_(role))
        return {row["template_key"] for row in answer.json()}

    drivers = await keys("driver")
    assert {key for key in drivers if key.startswith("driver_")} | {"emergency_help"} == drivers
    assert len(drivers) == 9
    assert all(not key.startswith("driver_") for key in await keys("customer"))
    assert await keys("driver", category="completion") == {"driver_arriving", "driver_trip_complete"}
    refused = await chat.client.post(
        f"{chat.path}/messages/quick", json={"templateKey": "driver_arrived"}, headers=chat.as_("customer")
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "template_unknown")


async def test_a_trip_that_is_not_yours_is_not_found(chat: Chat) -> None:
    stranger = bearer(chat.tokens.customer())
    foreign = await chat.client.get(f"{chat.path}/messages", headers=stranger)
    unknown = await chat.client.get(f"/api/trips/{uuid4()}/messages", headers=stranger)
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json() == unknown.json()


async def test_a_key_for_another_trip_opens_nothing(chat: Chat) -> None:
    narrow = bearer(chat.tokens.driver(chat.driver_id, trip=uuid4()))
    answer = await chat.client.get(f"{chat.path}/messages", headers=narrow)
    assert answer.status_code == 404


async def test_a_driver_of_the_trip_is_no_customer_of_it(chat: Chat) -> None:
    disguised = bearer(chat.tokens.customer(chat.driver_id))
    assert (await chat.client.get(f"{chat.path}/messages", headers=disguised)).status_code == 404


async def test_writing_ends_a_grace_after_the_trip(chat: Chat, clock: MovableClock) -> None:
    await chat.move("completed")
    assert (await chat.say("customer", "left my bag")).status_code == 201
    clock.move(timedelta(minutes=16))
    late = await chat.say("customer", "still there?")
    assert (late.status_code, late.json()["code"]) == (409, "chat_closed")
    assert (await chat.history("customer"))["items"], "reading stays open"


async def test_the_trips_way_is_told_by_system_lines(chat: Chat) -> None:
    for status in ("pickup", "arriving", "in_transit", "completed"):
        await chat.move(status)
    lines = [item for item in reversed((await chat.history("customer"))["items"]) if item["sender_type"] == "system"]
    assert "Trip started - Stay safe!" in [line["content"] for line in lines]
    assert len(lines) == 4


async def test_another_driver_takes_over_and_does_not_read_what_was_said_before(chat: Chat) -> None:
    before = chat.as_("driver")
    await chat.say("customer", "my door code is 4711")
    await chat.begin(driver=uuid4())
    assert (await chat.client.get(f"{chat.path}/messages", headers=before)).status_code == 404
    assert [item["content"] for item in (await chat.history("driver"))["items"]] == []
    await chat.say("customer", "hello new driver")
    assert [item["content"] for item in (await chat.history("driver"))["items"]] == ["hello new driver"]


async def test_a_revoked_token_and_a_suspended_person_cannot_write(chat: Chat, clock: MovableClock) -> None:
    old = chat.as_("driver")
    clock.move(timedelta(seconds=1))
    answer = await chat.client.post(f"/api/platform/users/{chat.driver_id}/revoke-tokens", headers=chat.service)
    assert answer.status_code == 204
    body = {"content": "hi", "messageType": "text"}
    revoked = await chat.client.post(f"{chat.path}/messages", json=body, headers=old)
    assert (revoked.status_code, revoked.json()["code"]) == (401, "token_revoked")
    until = "2999-01-01T00:00:00Z"
    path = f"/api/platform/users/{chat.customer_id}/suspension"
    await chat.client.post(path, json={"until": until}, headers=chat.service)
    suspended = await chat.say("customer", "hi")
    assert (suspended.status_code, suspended.json()["code"]) == (403, "suspended")


async def test_what_is_not_built_yet_says_so(chat: Chat) -> None:
    for path in ("messages/media", "call-customer", "call-driver"):
        answer = await chat.client.post(f"{chat.path}/{path}", headers=chat.as_("driver"))
        assert (answer.status_code, answer.json()["code"]) == (501, "not_available")
