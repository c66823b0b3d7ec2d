"""Limits at the door: each address has its share, an emergency and the platform have no limit, and 429 says when."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from backend.api.limits import holder_of_address, is_loopback
from backend.settings import Settings, load
from tests.factories.chat import Chat


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation that takes one request a second, two at once."""
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": redis_url,
            "TRIPWARDEN_LOG_LEVEL": "warning",
            "TRIPWARDEN_LIMIT_REQUESTS_PER_S_LOOPBACK": "1",
        },
        data_dir=tmp_path_factory.mktemp("data"),
    )


async def fill(chat: Chat) -> httpx.Response:
    """Ask until the address has had its share."""
    for _ in range(5):
        answer = await chat.client.get(f"{chat.path}/messages", headers=chat.as_("driver"))
        if answer.status_code == 429:
            return answer
    raise AssertionError("no limit was met")


async def test_an_address_that_asks_too_often_is_told_when_to_come_back(chat: Chat) -> None:
    answer = await fill(chat)
    assert answer.json()["code"] == "rate_limited"
    assert int(answer.headers["retry-after"]) >= 1


async def dial_often(chat: Chat) -> None:
    """Four sockets at once."""
    await asyncio.gather(*(chat.dial() for _ in range(4)))


async def test_new_sockets_count_as_requests(chat: Chat) -> None:
    await fill(chat)
    with pytest.raises(InvalidStatus) as refused:
        await dial_often(chat)
    assert refused.value.response.status_code == 429
    assert int(refused.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("PATCH", "/api/messages/templates"),
        ("POST", "/api/nothing/emergency"),
        ("GET", "/api/trips/0/emergency"),
    ],
)
async def test_a_call_that_fits_no_route_counts_too(chat: Chat, method: str, path: str) -> None:
    await fill(chat)
    answers = [(await chat.client.request(method, path)).status_code for _ in range(3)]
    assert answers[-1] == 429
    assert await ask_for_health(chat) == 200


async def ask_for_health(chat: Chat) -> int:
    """Health is asked ten times a second, and never refused."""
    return [(await chat.client.get("/health/live")).status_code for _ in range(5)][-1]


async def test_the_platform_is_free(chat: Chat) -> None:
    for status in ("pickup", "arriving", "in_transit", "completed"):
        await chat.move(status)


@pytest.mark.parametrize("path", ["quick", "use", "emergency", "emergency with a slash"])
async def test_no_way_to_call_for_help_is_limited_by_address(chat: Chat, path: str) -> None:
    await fill(chat)
    where, body = {
        "quick": (f"{chat.path}/messages/quick", {"templateKey": "emergency_help"}),
        "use": ("/api/messages/templates/use", {"tripId": str(chat.trip_id), "templateKey": "emergency_help"}),
        "emergency": (f"{chat.path}/emergency", {}),
        "emergency with a slash": (f"{chat.path}/emergency/", {}),
    }[path]
    answer = await chat.client.post(where, json=body, headers=chat.as_("customer"))
    assert answer.status_code == 201, answer.text


async def test_marks_of_one_socket_have_a_limit_and_the_socket_lives(chat: Chat) -> None:
    await asyncio.sleep(2.2)
    phone = await chat.dial()
    await phone.send("auth", token=chat.token("customer"))
    await phone.hear("messages-history")
    for _ in range(400):
        await phone.send("read", seq=0)
    await phone.send("ping")
    codes = Counter[str]()
    while (frame := await phone.next(20.0))["event"] != "pong":
        codes[frame["data"]["code"]] += 1
    assert list(codes) == ["rate_limited"]


@pytest.mark.parametrize(
    ("address", "own"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("?", False)],
)
def test_this_machine_is_known_by_each_of_its_names(address: str, own: bool) -> None:
    assert is_loopback(address) is own


@pytest.mark.parametrize(
    ("address", "holder"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::1", "::1"),
        ("?", "?"),
    ],
)
def test_a_home_with_many_addresses_has_one_limit(address: str, holder: str) -> None:
    assert holder_of_address(address) == holder
