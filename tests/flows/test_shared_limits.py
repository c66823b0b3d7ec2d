"""Limits of a user and of a trip hold over all processes; and whatever is used up, a call for help goes through."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from backend.settings import Settings, load
from tests.factories.chat import Chat, Phone

#: Rounds of all processes have passed after this.
ROUND_S = 0.4


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation where a trip takes four messages at once and then one in five seconds."""
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": redis_url,
            "TRIPWARDEN_LOG_LEVEL": "warning",
            "TRIPWARDEN_LIMIT_TRIP_MESSAGES_PER_S": "0.2",
            "TRIPWARDEN_LIMIT_TRIP_MESSAGES_BURST": "4",
            "TRIPWARDEN_LIMIT_JOINS_PER_S": "0.1",
            "TRIPWARDEN_LIMIT_JOINS_BURST": "12",
            "TRIPWARDEN_LIMIT_SOCKETS_PER_USER": "6",
        },
        data_dir=tmp_path_factory.mktemp("data"),
    )


async def fill(chat: Chat) -> None:
    """Both people talk until their trip has had its share."""
    for number in range(6):
        answer = await chat.say(("driver", "customer")[number % 2], f"I am at the corner number {number}")
        if answer.status_code == 429:
            assert number == 4
            assert answer.json()["code"] == "rate_limited"
            assert int(answer.headers["retry-after"]) >= 1
            return
    raise AssertionError("no limit was met")


async def test_a_trip_has_a_limit_of_its_own(chat: Chat) -> None:
    await fill(chat)
    other = Chat(chat.client, chat.tokens)
    other.driver_id = chat.driver_id
    await other.begin()
    assert (await other.say("driver", "I am at the next corner")).status_code == 201, "the user's own is not used up"


async def test_a_stranger_cannot_use_up_the_share_of_a_trip(chat: Chat) -> None:
    stranger = Chat(chat.client, chat.tokens)
    stranger.trip_id = chat.trip_id
    for number in range(8):
        assert (await stranger.say("driver", f"hello {number}")).status_code == 404
    await fill(chat)


async def test_what_one_process_let_through_another_one_knows(chat: Chat, other_api_url: str) -> None:
    await fill(chat)
    through = 0
    async with httpx.AsyncClient(base_url=other_api_url, timeout=10, trust_env=False) as client:
        elsewhere = Chat(client, chat.tokens)
        elsewhere.trip_id, elsewhere.driver_id = chat.trip_id, chat.driver_id
        for number in range(4):
            through += (await elsewhere.say("driver", f"I wait at door {number}")).status_code == 201
            await asyncio.sleep(ROUND_S)
    assert 1 <= through <= 2, "what a process has not yet spoken of, and no more"
    assert (await chat.say("driver", "and I still wait")).status_code == 429


@pytest.mark.parametrize("path", ["emergency", "quick"])
async def test_no_call_for_help_is_kept_by_what_the_trip_has_used_up(chat: Chat, path: str) -> None:
    await fill(chat)
    where, body = {
        "emergency": (f"{chat.path}/emergency", {}),
        "quick": (f"{chat.path}/messages/quick", {"templateKey": "emergency_help"}),
    }[path]
    assert (await chat.client.post(where, json=body, headers=chat.as_("customer"))).status_code == 201


async def test_a_user_has_so_many_sockets_wherever_they_are(chat: Chat, api_url: str, other_api_url: str) -> None:
    async def try_to_join(url: str) -> Phone | None:
        phone = await chat.dial(url)
        await phone.send("auth", token=chat.token("driver"))
        first = await phone.next()
        if first["event"] == "joined":
            return phone
        assert first["data"]["code"] == "too_many_sockets"
        assert await phone.closed_with() == 4429
        return None

    here = [await try_to_join(api_url) for _ in range(4)]
    there = [await try_to_join(other_api_url) for _ in range(4)]
    assert [phone is not None for phone in here + there] == [True] * 6 + [False] * 2
    for phone in here:
        assert phone is not None
        await phone.hang_up()
    await asyncio.sleep(0.2)
    assert await try_to_join(other_api_url) is not None


async def test_whoever_joins_again_and_again_is_told_to_come_back_later(chat: Chat) -> None:
    for _ in range(12):
        phone = await chat.join("customer")
        await phone.hang_up()
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"))
    refused = await phone.hear("error")
    assert refused["code"] == "rate_limited"
    assert await phone.closed_with() == 4429
    assert await chat.join("driver"), "the other one may"
