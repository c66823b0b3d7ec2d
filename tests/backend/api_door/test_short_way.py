"""A connection on the short way behaves as any: in order, in pieces, one after the other, and when its client goes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import asyncpg
import httpx
import pytest

from backend.settings import Settings
from tests.backend.api_door.wire import Heard, dialled, request, until
from tests.factories.chat import Chat
from tests.factories.served import served
from tests.factories.tokens import Tokens


@pytest.fixture
async def chat(client: httpx.AsyncClient, tokens: Tokens) -> Chat:
    """A trip of its own."""
    made = Chat(client, tokens)
    await made.begin()
    return made


def said(chat: Chat, content: str, *headers: bytes, role: str = "driver", **more: object) -> bytes:
    """A message in bytes."""
    token = f"authorization: Bearer {chat.token(role)}".encode()
    return request(f"{chat.path}/messages", json.dumps({"content": content, **more}).encode(), token, *headers)


def content_of(heard: Heard) -> str:
    """The words of a message that was taken."""
    assert heard.status == b"HTTP/1.1 201 Created", heard
    words: str = json.loads(heard.body)["content"]
    return words


async def words_in(chat: Chat) -> list[str]:
    """What the other side can read, oldest first."""
    return [item["content"] for item in reversed((await chat.history("customer"))["items"])]


def reads(chat: Chat, words: list[str]) -> Callable[[], Awaitable[bool]]:
    """Whether the other side can read this and no more."""

    async def look() -> bool:
        return await words_in(chat) == words

    return look


def begun(ways: Counter[str]) -> Callable[[], Awaitable[bool]]:
    """Whether a message is on the short way."""

    async def look() -> bool:
        return ways["short"] > 0

    return look


@asynccontextmanager
async def nobody_can_write(settings: Settings, chat: Chat) -> AsyncGenerator[None]:
    """Sends of the trip wait in here: somebody holds its row."""
    holder: Any = await cast("Any", asyncpg).connect(settings.database.url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT 1 FROM trip_chat WHERE trip_id = $1 FOR UPDATE", chat.trip_id)
            yield
    finally:
        await holder.close()


async def test_one_message_after_the_other_on_one_connection(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    words = [f"line {number}" for number in range(5)]
    async with dialled(api_url) as line:
        for word in words:
            await line.say(said(chat, word))
            assert content_of(await line.hear()) == word
    assert ways["short"] == 5
    assert await words_in(chat) == words


async def test_messages_sent_without_waiting_are_answered_in_order(
    chat: Chat, api_url: str, ways: Counter[str]
) -> None:
    words = [f"line {number}" for number in range(6)]
    other = request("/api/trips/x/messages", b"{}")
    async with dialled(api_url) as line:
        await line.say(b"".join([said(chat, word) for word in words] + [other, said(chat, "and last")]))
        assert [content_of(await line.hear()) for _ in words] == words
        assert (await line.hear()).status == b"HTTP/1.1 404 Not Found"
        assert content_of(await line.hear()) == "and last"
        await line.say(said(chat, "and on"))
        assert content_of(await line.hear()) == "and on"
    assert ways["short"] == 2, "a request behind another goes the long way"
    assert await words_in(chat) == [*words, "and last", "and on"]


async def test_refusals_that_are_ready_at_once_come_in_order_too(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    path = f"{chat.path}/messages"
    async with dialled(api_url) as line:
        await line.say(request(path, b"{}") + said(chat, "") + request(path, b"") + said(chat, "hello"))
        heard = [await line.hear() for _ in range(4)]
    assert [one.status.split()[1] for one in heard] == [b"401", b"422", b"401", b"201"]
    assert ways["short"] >= 1


async def test_a_message_in_pieces(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    whole = said(chat, "piece by piece")
    cut = whole.index(b"\r\n\r\n") + 4
    async with dialled(api_url) as line:
        await line.say(whole[:cut], whole[cut:], pause_s=0.05)
        assert content_of(await line.hear()) == "piece by piece"
        await line.say(*(whole[at : at + 40] for at in range(0, len(whole), 40)), pause_s=0.002)
        assert content_of(await line.hear()) == "piece by piece"
    assert ways["short"] == 2


async def test_whoever_wants_the_connection_closed_gets_that(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    async with dialled(api_url) as line:
        await line.say(said(chat, "bye", b"connection: close"))
        heard = await line.hear()
        assert b"connection: close" in heard.headers
        assert content_of(heard) == "bye"
        assert await line.is_closed()
    assert ways["short"] == 1


async def test_a_connection_that_is_silent_after_its_answer_is_closed(chat: Chat, api_url: str) -> None:
    async with dialled(api_url) as line:
        await line.say(said(chat, "hello"))
        content_of(await line.hear())
        assert await line.is_closed(within_s=8.0)


async def test_a_message_whose_sender_is_gone_before_the_answer_is_there(
    chat: Chat, api_url: str, settings: Settings, ways: Counter[str]
) -> None:
    named = str(uuid4())
    async with nobody_can_write(settings, chat), dialled(api_url) as line:
        await line.say(said(chat, "from a tunnel", clientMessageId=named))
        await until(begun(ways))
    await until(reads(chat, ["from a tunnel"]))
    again = await chat.say("driver", "from a tunnel", clientMessageId=named)
    assert again.status_code == 200
    assert await words_in(chat) == ["from a tunnel"]


async def test_nonsense_behind_a_message_ends_the_connection_and_not_the_message(
    chat: Chat, api_url: str, settings: Settings
) -> None:
    async with dialled(api_url) as line:
        await line.say(said(chat, "hello") + b"\x00\x01 nonsense\r\n\r\n")
        assert (await line.reader.read()).startswith(b"HTTP/1.1 ")
    await until(reads(chat, ["hello"]))


async def test_a_revoked_token_that_is_known_here_sends_nothing(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    async with dialled(api_url) as line:
        message = said(chat, "hello")
        await line.say(message)
        content_of(await line.hear())
        await chat.client.post(f"/api/platform/users/{chat.driver_id}/revoke-tokens", headers=chat.service)
        await line.say(message)
        assert b'"code":"token_revoked"' in (await line.hear()).body
    assert ways["short"] == 2


async def test_a_process_that_stops_answers_first(chat: Chat, settings: Settings, ways: Counter[str]) -> None:
    leaving = served(settings, producer="api-leaving")
    url = leaving.__enter__()
    end = threading.Thread(target=leaving.__exit__, args=(None, None, None))
    async with dialled(url) as line, dialled(url) as silent:
        async with nobody_can_write(settings, chat):
            await line.say(said(chat, "just in time"))
            await until(begun(ways))
            end.start()
            assert await silent.is_closed()
        heard = await line.hear()
        assert content_of(heard) == "just in time"
        assert b"connection: close" in heard.headers
        assert await line.is_closed()
    await asyncio.to_thread(end.join)
    assert await words_in(chat) == ["just in time"]
