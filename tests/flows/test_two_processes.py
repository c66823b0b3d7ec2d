"""Driver and rider on two processes, with the bell harmed between them: what they see is whole, receipts too."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backend.pipeline.services import Services
from backend.realtime import hub as hubs
from tests.factories.chat import Chat

RECHECK_S = 0.5
#: A re-check, and a busy machine on top.
WITHIN_S = RECHECK_S + 2.0


@pytest.fixture(scope="module", autouse=True)
def short_times() -> Generator[None]:
    """Every process of this module compares its trips twice a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hubs, "RECHECK_S", RECHECK_S)
        patch.setattr(hubs, "ALONE_S", RECHECK_S)
        yield


async def cut(redis_url: str) -> None:
    """Every process loses its bell at once."""
    client = Redis.from_url(redis_url)
    await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await client.aclose()


async def test_a_conversation_goes_on_while_the_bell_is_cut_again_and_again(
    chat: Chat, other_api_url: str, redis_url: str
) -> None:
    driver, rider = await chat.join("driver"), await chat.join("customer", other_api_url)
    said = [str(uuid4()) for _ in range(12)]
    for number, client_message_id in enumerate(said):
        await driver.send("message", content=f"line {number}", clientMessageId=client_message_id)
        if number % 4 == 2:
            await cut(redis_url)
        await driver.hear("ack")
    heard = [await rider.hear("new-message", WITHIN_S) for _ in said]
    assert [item["seq"] for item in heard] == list(range(1, 13))
    assert [item["content"] for item in heard] == [f"line {number}" for number in range(12)]


async def test_a_receipt_lost_with_the_bell_is_shown_a_moment_later(
    chat: Chat, other_api_url: str, redis_url: str, services: Services
) -> None:
    driver, rider = await chat.join("driver"), await chat.join("customer", other_api_url)
    await chat.say("driver", "at the gate")
    assert (await rider.hear("new-message"))["seq"] == 1
    await cut(redis_url)
    await rider.send("read", seq=1)
    receipt = await driver.hear("message-read", WITHIN_S)
    assert (receipt["seq"], receipt["readBy"]) == (1, str(chat.customer_id))
    assert not [frame for frame in await driver.hear_all(1.0) if frame["event"] == "message-read"], "told once"


async def test_a_phone_that_was_away_learns_what_was_read_meanwhile(chat: Chat, other_api_url: str) -> None:
    driver, rider = await chat.join("driver"), await chat.join("customer", other_api_url)
    for word in ("one", "two", "three"):
        await chat.say("driver", word)
    assert [(await driver.hear("new-message"))["seq"] for _ in range(3)] == [1, 2, 3]
    await driver.hang_up()
    await rider.send("delivered", seq=3)
    await rider.send("read", seq=2)
    await rider.hear("message-read")
    back = await chat.join("driver", since=3)
    told = {frame["event"]: frame["data"]["seq"] for frame in await back.hear_all()}
    assert (told["message-delivered"], told["message-read"]) == (3, 2)


async def test_a_driver_who_took_over_learns_nothing_of_receipts_from_before(chat: Chat) -> None:
    rider = await chat.join("customer")
    await chat.say("driver", "from the first driver")
    await rider.send("read", seq=1)
    await rider.hear("message-read")
    await chat.begin(driver=uuid4())
    fresh = await chat.join("driver", since=0)
    assert not [frame for frame in await fresh.hear_all() if frame["event"].startswith("message-read")]


async def test_phones_are_sent_to_a_fresh_start_when_the_database_was_put_back(
    chat: Chat, other_api_url: str, services: Services
) -> None:
    phones = [await chat.join("driver"), await chat.join("customer", other_api_url)]
    for word in ("one", "two", "three"):
        await chat.say("driver", word)
    for phone in phones:
        assert [(await phone.hear("new-message"))["seq"] for _ in range(3)] == [1, 2, 3]
    async with services.pool.acquire() as connection, connection.transaction():
        for table in ("trip_event", "trip_message"):
            await connection.execute(f"DELETE FROM {table} WHERE trip_id = $1 AND seq_staff > 1", chat.trip_id)
        await connection.execute(
            "UPDATE trip_chat SET seq_driver = 1, seq_customer = 1, seq_staff = 1 WHERE trip_id = $1", chat.trip_id
        )
    assert await asyncio.gather(*(phone.closed_with() for phone in phones)) == [4410, 4410]
    back = await chat.dial()
    epoch = phones[0].frames[0]["data"]["epoch"]
    await back.send("auth", token=chat.token("driver"), since=3, epoch=epoch)
    reset = await back.hear("reset")
    assert (reset["lastSeq"], reset["epoch"] != epoch) == (1, True)
    assert [item["content"] for item in reset["messages"]] == ["one"]
