"""Heads that two servers in a row could read in two ways are refused, whichever way they come."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import httpx
import pytest

from tests.backend.api_door.wire import dialled
from tests.factories.chat import Chat
from tests.factories.tokens import Tokens

BODY = json.dumps({"content": "one"}).encode()
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = b"content-length: %d" % len(BODY)

#: By what is odd: (headers, body).
ODD: dict[str, tuple[list[bytes], bytes]] = {
    "two lengths that differ": ([LENGTH, b"content-length: 5"], BODY),
    "two lengths alike": ([LENGTH, LENGTH], BODY),
    "a list of lengths": ([b"content-length: %d, %d" % (len(BODY), len(BODY))], BODY),
    "a length with a sign": ([b"content-length: +%d" % len(BODY)], BODY),
    "a length in hexadecimal": ([b"content-length: 0x%x" % len(BODY)], BODY),
    "a length of a thousand digits": ([b"content-length: " + b"0" * 5000 + b"%d" % len(BODY)], BODY),
    "a length beyond all bounds": ([b"content-length: " + b"9" * 40], BODY),
    "chunks and a length": ([LENGTH, b"transfer-encoding: chunked"], CHUNKED),
    "chunks under another name": ([b"transfer-encoding: xchunked", LENGTH], CHUNKED),
    "a blank before the colon": ([b"content-length : %d" % len(BODY)], BODY),
    "a folded line": ([LENGTH, b"x-a: b\r\n c: d"], BODY),
    "a folded length": ([b"content-length:\r\n %d" % len(BODY)], BODY),
    "a bare line feed": ([LENGTH + b"\nx-a: b"], BODY),
    "a NUL": ([LENGTH, b"x-a: b\x00c"], BODY),
    "a name that is none": ([LENGTH, b"x\xff: b"], BODY),
}


async def sent(chat: Chat, api_url: str, target: bytes, headers: list[bytes], body: bytes) -> tuple[list[bytes], int]:
    """The status lines that came back, and how many messages were taken."""
    head = [b"POST " + target + b" HTTP/1.1", b"host: x", b"authorization: Bearer " + chat.token("driver").encode()]
    async with dialled(api_url) as line:
        await line.say(b"\r\n".join([*head, *headers]) + b"\r\n\r\n" + body)
        answers: list[bytes] = []
        try:
            while True:
                answers.append((await line.hear(0.4)).status)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, StopIteration):
            pass
    return answers, len((await chat.history("customer"))["items"])


@pytest.fixture
async def chat(client: httpx.AsyncClient, tokens: Tokens) -> Chat:
    """A trip of its own."""
    made = Chat(client, tokens)
    await made.begin()
    return made


@pytest.mark.parametrize("query", [b"", b"?"], ids=["short", "long"])
@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_head_is_refused_both_ways(chat: Chat, api_url: str, odd: str, query: bytes) -> None:
    answers, taken = await sent(chat, api_url, f"{chat.path}/messages".encode() + query, *ODD[odd])
    assert answers == [b"HTTP/1.1 400 Bad Request"]
    assert taken == 0


async def test_chunks_are_one_message_the_long_way(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    chunks = [b"transfer-encoding: chunked"], CHUNKED
    assert await sent(chat, api_url, f"{chat.path}/messages".encode(), *chunks) == ([b"HTTP/1.1 201 Created"], 1)
    assert not ways["short"]


async def test_an_odd_target_is_never_the_short_way(chat: Chat, api_url: str, ways: Counter[str]) -> None:
    path = f"{chat.path}/messages"
    ends = ("/", "?a", "#a", "/quick/../")
    upper, hidden = path.replace(str(chat.trip_id), str(chat.trip_id).upper()), path.replace("messages", "%6dessages")
    for target in (f"http://x{path}", "/" + path, upper, hidden, *(path + end for end in ends)):
        answers, _ = await sent(chat, api_url, target.encode(), [LENGTH], BODY)
        assert len(answers) == 1, target
    assert not ways["short"]
