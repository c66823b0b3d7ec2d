"""The chat over sockets: two processes, nothing missed, nothing doubled, nobody listening who may not."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from backend.pipeline.services import Services
from tests.factories.chat import Chat


async def test_driver_and_rider_on_different_processes_hear_each_other(chat: Chat, other_api_url: str) -> None:
    driver, rider = await chat.join("driver"), await chat.join("customer", other_api_url)
    client_id = str(uuid4())
    await driver.send("message", content="north gate", messageType="text", clientMessageId=client_id)
    own = await driver.hear("new-message")
    ack = await driver.hear("ack")
    heard = await rider.hear("new-message")
    assert own["id"] == heard["id"], "one's own other devices hear it too"
    assert (heard["content"], heard["client_message_id"], heard["seq"]) == ("north gate", client_id, 1)
    assert (ack["clientMessageId"], ack["id"], ack["seq"], ack["status"]) == (client_id, heard["id"], 1, "delivered")
    await rider.send("message", content="coming")
    assert (await driver.hear("new-message"))["content"] == "coming"


async def test_an_ack_means_that_the_message_is_in_the_database(chat: Chat, services: Services) -> None:
    driver = await chat.join("driver")
    await driver.send("message", content="kept", clientMessageId=str(uuid4()))
    ack = await driver.hear("ack")
    row = await services.pool.fetchrow("SELECT status FROM trip_message WHERE id = $1", UUID(ack["id"]))
    assert row["status"] == "delivered"


async def test_a_phone_that_was_away_hears_every_missed_event_in_order(chat: Chat, other_api_url: str) -> None:
    rider = await chat.join("customer")
    for word in ("one", "two"):
        await chat.say("driver", word)
        await rider.hear("new-message")
    await rider.hang_up()
    for word in ("three", "four", "five"):
        await chat.say("driver", word)
    epoch = (await chat.history("customer"))["epoch"]
    back = await chat.dial(other_api_url)
    await back.send("auth", token=chat.token("customer"), since=2, epoch=epoch)
    assert (await back.hear("joined"))["lastSeq"] == 5
    missed = [await back.hear("new-message") for _ in range(3)]
    assert [(item["seq"], item["content"]) for item in missed] == [(3, "three"), (4, "four"), (5, "five")]
    await chat.say("driver", "six")
    assert (await back.hear("new-message"))["seq"] == 6


async def test_a_cursor_of_another_epoch_is_reset_with_a_snapshot(chat: Chat) -> None:
    await chat.say("driver", "one")
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"), since=1, epoch=str(uuid4()))
    await phone.hear("joined")
    reset = await phone.hear("reset")
    assert [item["content"] for item in reset["messages"]] == ["one"]
    assert reset["epoch"] == (await chat.history("customer"))["epoch"]


async def test_a_cursor_from_the_future_is_reset(chat: Chat) -> None:
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"), since=99)
    assert (await phone.hear("reset"))["reason"] == "too_far"


async def test_messages_sent_while_joining_are_neither_lost_nor_doubled(chat: Chat, other_api_url: str) -> None:
    async def talk() -> None:
        for number in range(15):
            await chat.say("driver", f"number {number} of the gate")

    talking = asyncio.create_task(talk())
    phones = []
    for _ in range(4):
        phone = await chat.dial(other_api_url)
        await phone.send("auth", token=chat.token("customer"), since=0)
        phones.append(phone)
        await asyncio.sleep(0.02)
    await talking
    last = (await chat.history("customer"))["lastSeq"]
    for phone in phones:
        heard: list[int] = []
        while last not in heard:
            heard.append((await phone.hear("new-message"))["seq"])
        assert heard == list(range(1, last + 1))


async def test_history_is_a_bare_array_newest_first(chat: Chat) -> None:
    for word in ("one", "two"):
        await chat.say("driver", word)
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"))
    assert (await phone.next())["event"] == "joined"
    frame = await phone.next()
    assert frame["event"] == "messages-history"
    assert [item["content"] for item in frame["data"]] == ["two", "one"]


async def test_a_ticket_opens_the_socket_once(chat: Chat) -> None:
    answer = await chat.client.post("/api/ws-tickets", json={"tripId": str(chat.trip_id)}, headers=chat.as_("driver"))
    ticket = answer.json()["ticket"]
    phone = await chat.dial()
    await phone.send("auth", ticket=ticket)
    assert (await phone.hear("joined"))["lastSeq"] == 0
    again = await chat.dial()
    await again.send("auth", ticket=ticket)
    assert (await again.hear("error"))["code"] == "ticket_invalid"
    assert await again.closed_with() == 4401


async def test_presence_typing_and_receipts_reach_the_other_process(chat: Chat, other_api_url: str) -> None:
    driver = await chat.join("driver")
    rider = await chat.join("customer", other_api_url)
    assert (await driver.hear("user-online"))["userId"] == str(chat.customer_id)
    await rider.send("typing")
    assert (await driver.hear("typing"))["userId"] == str(chat.customer_id)
    await driver.send("message", content="hi")
    got = await rider.hear("new-message")
    await rider.send("delivered", seq=got["seq"])
    assert (await driver.hear("message-delivered"))["messageId"] == got["id"]
    await rider.send("read", messageId=got["id"])
    mark = await driver.hear("message-read")
    assert (mark["messageId"], mark["seq"], mark["readBy"]) == (got["id"], got["seq"], str(chat.customer_id))
    assert mark["readAt"]
    await rider.hang_up()
    assert (await driver.hear("user-offline"))["userId"] == str(chat.customer_id)


async def test_a_masked_number_is_starred_live_in_history_and_on_resume(chat: Chat) -> None:
    rider = await chat.join("customer")
    sent = (await chat.say("driver", "call me +7 701 123 45 67")).json()
    assert (sent["status"], sent["content"]) == ("masked", "call me +7 701 123 45 67")
    live = await rider.hear("new-message")
    stored = (await chat.history("customer"))["items"][0]
    back = await chat.dial()
    await back.send("auth", token=chat.token("customer"), since=0)
    resumed = await back.hear("new-message")
    for seen in (live, stored, resumed):
        assert seen["status"] == "masked"
        assert "701" not in seen["content"]
        assert seen["content"].startswith("call me ***")


async def test_a_withheld_message_burns_no_number_of_the_reader(chat: Chat) -> None:
    rider = await chat.join("customer")
    withheld = (await chat.say("driver", "I know where you live")).json()
    assert (withheld["status"], withheld["seq"]) == ("quarantined", 1)
    await chat.say("driver", "at the gate")
    heard = await rider.hear("new-message")
    assert (heard["content"], heard["seq"]) == ("at the gate", 1)
    assert [item["content"] for item in (await chat.history("customer"))["items"]] == ["at the gate"]


async def test_a_status_change_is_a_numbered_event(chat: Chat) -> None:
    rider = await chat.join("customer")
    await chat.move("in_transit")
    status = await rider.hear("trip-status")
    line = await rider.hear("new-message")
    assert (status["status"], status["seq"]) == ("in_transit", 1)
    assert (line["content"], line["seq"]) == ("Trip started - Stay safe!", 2)


async def test_a_swapped_driver_loses_the_socket_within_two_seconds(chat: Chat) -> None:
    old = await chat.join("driver")
    await chat.begin(driver=uuid4())
    assert await old.closed_with(2.0) == 4404


async def test_a_revoked_token_loses_the_socket_even_without_the_bell(chat: Chat, services: Services) -> None:
    phone = await chat.join("customer")
    await services.pool.execute("UPDATE app_user SET tokens_valid_from = now() WHERE id = $1", chat.customer_id)
    assert await phone.closed_with(2.5) == 4401


async def test_a_muted_sender_is_refused_but_keeps_the_socket(chat: Chat, services: Services) -> None:
    phone = await chat.join("driver")
    await services.pool.execute(
        "UPDATE trip_chat SET driver_muted_until = now() + interval '1 hour' WHERE trip_id = $1", chat.trip_id
    )
    client_id = str(uuid4())
    await phone.send("message", content="hello", clientMessageId=client_id)
    error = await phone.hear("error")
    assert (error["code"], error["clientMessageId"]) == ("muted", client_id)
    await phone.send("ping")
    await phone.hear("pong")


async def test_a_flushed_valkey_loses_nothing(chat: Chat, other_api_url: str, services: Services) -> None:
    driver, rider = await chat.join("driver"), await chat.join("customer", other_api_url)
    redis: Any = services.redis
    await redis.flushall()
    await redis.client_kill_filter(_type="pubsub")
    for number in range(3):
        await driver.send("message", content=f"gate {number}")
        await driver.hear("ack")
    heard = [(await rider.hear("new-message", 8.0))["seq"] for _ in range(3)]
    assert heard == [1, 2, 3]


@pytest.mark.parametrize(
    "first", ['{"event":"message","data":{"content":"x"}}', '{"event":"auth","data":{}}', "nonsense"]
)
async def test_a_socket_that_does_not_say_who_it_is_is_closed(chat: Chat, first: str) -> None:
    phone = await chat.dial()
    await phone.socket.send(first)
    assert (await phone.hear("error"))["code"] in ("not_authenticated", "invalid_frame")
    assert await phone.closed_with() in (4400, 4401)


@pytest.mark.parametrize("since", [-1, "x", 2**70])
async def test_a_cursor_that_is_none_is_the_clients_to_mend(chat: Chat, since: object) -> None:
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("driver"), since=since)
    assert (await phone.hear("error"))["code"] == "invalid_body"
    assert await phone.closed_with() == 4400


async def test_a_silent_socket_is_closed_after_three_seconds(chat: Chat) -> None:
    phone = await chat.dial()
    assert (await phone.hear("error", 4.5))["code"] == "auth_timeout"
    assert await phone.closed_with() == 4408


async def test_a_stranger_gets_the_same_answer_as_for_a_trip_that_does_not_exist(chat: Chat) -> None:
    phone = await chat.dial()
    await phone.send("auth", token=chat.tokens.customer())
    error = await phone.hear("error")
    assert error["code"] == "trip_not_found"
    assert await phone.closed_with() == 4404


async def test_covert_words_for_help_stay_with_their_sender(chat: Chat) -> None:
    driver = await chat.join("driver")
    answer = await chat.client.post(
        f"{chat.path}/messages/quick", json={"templateKey": "emergency_help"}, headers=chat.as_("customer")
    )
    assert answer.status_code == 201
    heard = await driver.hear_all()
    assert [frame for frame in heard if frame["event"] not in ("user-online",)] == []
    assert (await chat.history("driver"))["items"] == []
    mine = [item["content"] for item in (await chat.history("customer"))["items"]]
    assert any("Support has been notified" in text for text in mine)


async def test_the_figures_of_a_process_name_it(chat: Chat) -> None:
    phone = await chat.join("driver")
    await phone.send("message", content="counted")
    await phone.hear("ack")
    lines = (await chat.client.get("/metrics")).text.splitlines()
    # What is counted in rows (push) has no process; what a process counts has one.
    counted = [line for line in lines if line.startswith(("tripwarden_messages_total", "tripwarden_sockets"))]
    assert all('pid="' in line for line in counted), counted
    assert any('status="delivered"' in line for line in counted)


async def test_the_figures_say_how_sockets_joined_and_how_many_messages_shared_a_commit(chat: Chat) -> None:
    phone = await chat.join("driver")
    await phone.send("message", content="counted")
    await phone.hear("ack")
    for since in (0, 2**40):
        back = await chat.dial()
        await back.send("auth", token=chat.token("driver"), since=since)
        await back.hear("joined")
    lines = (await chat.client.get("/metrics")).text.splitlines()
    for name, label in (("resumes", 'how="fresh"'), ("resumes", 'how="resumed"'), ("resumes", 'how="reset"'),
                        ("send_batches", 'size="1"')):  # fmt: skip
        assert any(line.startswith(f"tripwarden_{name}_total{{") and label in line for line in lines), label
