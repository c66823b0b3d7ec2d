"""Who may read and write what, at the edges: swapped drivers, covert calls, foreign receipts, lost bells."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from backend.pipeline.services import Services
from tests.factories.chat import Chat


async def test_a_swapped_driver_reads_nothing_new_even_when_the_bell_is_lost(chat: Chat, services: Services) -> None:
    old = chat.as_("driver")
    assert (await chat.client.get(f"{chat.path}/messages", headers=old)).status_code == 200
    for table, key in (("trip", "id"), ("trip_chat", "trip_id")):
        await services.pool.execute(f"UPDATE {table} SET driver_id = $2 WHERE {key} = $1", chat.trip_id, uuid4())
    await asyncio.sleep(1.2)
    answer = await chat.client.get(f"{chat.path}/messages", headers=old)
    assert (answer.status_code, answer.json()["code"]) == (404, "trip_not_found")


async def press_quietly(chat: Chat, role: str, **more: str) -> dict[str, Any]:
    """A call for help by its quick message."""
    body = {"templateKey": "emergency_help", **more}
    answer = await chat.client.post(f"{chat.path}/messages/quick", json=body, headers=chat.as_(role))
    assert answer.status_code == 201, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


async def test_reading_the_notice_of_a_covert_call_tells_the_other_side_nothing(chat: Chat) -> None:
    said = (await chat.say("driver", "at the gate")).json()
    driver, rider = await chat.join("driver"), await chat.join("customer")
    await press_quietly(chat, "customer")
    last = (await chat.history("customer"))["lastSeq"]
    await rider.send("read", seq=1)
    assert (await driver.hear("message-read"))["messageId"] == said["id"]
    for kind in ("read", "delivered"):
        await rider.send(kind, seq=last)
    await rider.send("ping")
    await rider.hear("pong")
    heard = [frame for frame in await driver.hear_all() if frame["event"] != "user-online"]
    assert [frame["event"] for frame in heard] == ["message-delivered"], "once, of the message that they know"
    assert (heard[0]["data"]["messageId"], heard[0]["data"]["seq"]) == (said["id"], 1)


async def test_a_muted_person_who_calls_for_help_is_answered_under_their_own_id(chat: Chat, services: Services) -> None:
    await chat.say("driver", "the newest line is not always the notice")
    await services.pool.execute(
        "UPDATE trip_chat SET customer_muted_until = now() + interval '1 hour' WHERE trip_id = $1", chat.trip_id
    )
    client_id = str(uuid4())
    rider = await chat.join("customer")
    await rider.send("quick", templateKey="emergency_help", clientMessageId=client_id)
    assert (await rider.hear("ack"))["clientMessageId"] == client_id
    await chat.say("driver", "hello?")
    again = await press_quietly(chat, "customer", clientMessageId=client_id)
    assert "Support has been notified" in again["content"]
    assert again["client_message_id"] == client_id


async def test_a_call_for_help_under_an_id_used_before_is_not_refused(chat: Chat) -> None:
    client_id = str(uuid4())
    await chat.say("customer", "hello", clientMessageId=client_id)
    assert "Support has been notified" in (await press_quietly(chat, "customer", clientMessageId=client_id))["content"]


async def test_what_a_driver_had_read_stays_read_when_another_takes_over(chat: Chat) -> None:
    read, unread = [(await chat.say("customer", word)).json()["id"] for word in ("first", "second")]
    await chat.client.put(f"{chat.path}/messages/{read}/read", headers=chat.as_("driver"))
    await chat.begin(driver=uuid4())
    later = (await chat.say("customer", "third")).json()["id"]
    await chat.client.put(f"{chat.path}/messages/{later}/read", headers=chat.as_("driver"))
    marks = {item["id"]: item["is_read"] for item in (await chat.history("customer"))["items"]}
    assert (marks[read], marks[unread], marks[later]) == (True, False, True)


async def test_a_change_of_what_the_last_driver_was_told_is_not_told_to_the_next(
    chat: Chat, services: Services
) -> None:
    said = UUID((await chat.say("customer", "for the first driver only")).json()["id"])
    await chat.begin(driver=uuid4())
    driver, rider = await chat.join("driver"), await chat.join("customer")
    async with services.db.session() as session:
        event = await services.chat.mask(session, chat.trip_id, said, [(0, 3)])
        await session.commit()
    await services.hub.publish(event)
    assert (await rider.hear("message-updated"))["id"] == str(said)
    assert [frame for frame in await driver.hear_all() if frame["event"] != "user-online"] == []


async def test_a_person_without_a_name_in_the_trip_has_the_one_that_the_platform_gave(chat: Chat) -> None:
    user = f"/api/platform/users/{chat.driver_id}"
    assert (await chat.client.put(user, json={"name": "Aigerim"}, headers=chat.service)).status_code == 204
    body = {"market": "default", "status": "accepted"} | {
        "driver": {"id": str(chat.driver_id)},
        "customer": {"id": str(chat.customer_id)},
    }
    other = Chat(chat.client, chat.tokens)
    other.driver_id, other.customer_id = chat.driver_id, chat.customer_id
    path = f"/api/platform/trips/{other.trip_id}"
    assert (await chat.client.put(path, json=body, headers=chat.service)).status_code == 201
    assert (await other.say("driver", "hello")).json()["senderName"] == "Aigerim"


async def test_a_socket_opened_by_a_ticket_ends_with_the_token_behind_it(chat: Chat) -> None:
    short = {"Authorization": f"Bearer {chat.tokens.driver(chat.driver_id, ttl_s=2)}"}
    answer = await chat.client.post("/api/ws-tickets", json={"tripId": str(chat.trip_id)}, headers=short)
    phone = await chat.dial()
    await phone.send("auth", ticket=answer.json()["ticket"])
    await phone.hear("joined")
    assert await phone.closed_with(6.0) == 4401


async def test_staff_who_look_after_a_covert_call_are_not_shown_to_the_other_side(chat: Chat) -> None:
    staff = {"Authorization": f"Bearer {chat.tokens.staff('lead')}"}
    opened = f"/api/staff/trips/{chat.trip_id}"

    async def seen_by(role: str) -> list[str]:
        answer = await chat.client.get(f"{chat.path}/access-history", headers=chat.as_(role))
        return [item["purpose"] for item in answer.json()["items"]]

    assert (await chat.client.get(opened, params={"purpose": "complaint"}, headers=staff)).status_code == 200
    await press_quietly(chat, "customer")
    assert (await chat.client.get(opened, params={"purpose": "emergency"}, headers=staff)).status_code == 200
    assert await seen_by("customer") == ["emergency", "complaint"]
    assert await seen_by("driver") == ["complaint"]


async def test_an_address_that_names_no_trip_is_answered_with_a_reason(chat: Chat) -> None:
    base = str(chat.client.base_url).replace("http", "ws", 1).rstrip("/")
    for nothing in ("nope", "0", "%00", "x" * 2000):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{base}/ws/trips/{nothing}/chat", proxy=None)
        assert refused.value.response.status_code == 404
        assert refused.value.response.headers["content-type"] == "application/problem+json"
        assert json.loads(refused.value.response.body or b"")["code"] == "trip_not_found"
