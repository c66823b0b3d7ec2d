"""The short way and the long way give the same answer to the same bytes."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backend.messages.templates import EMERGENCY_KEY
from backend.messages.templates_seed import SEEDS
from tests.backend.api_door.wire import Heard, dialled, request
from tests.factories.chat import Chat
from tests.factories.tokens import Tokens, bearer

#: What two sends of the same words may differ in: their own id, number and moment.
VOLATILE = re.compile(rb'"(id|seq|created_at|timestamp)":("[^"]*"|\d+)')

words = st.one_of(
    st.sampled_from(["At the north gate", "", " ", "\u200b", "a\x00b", "x" * 2001, "\U0001f695"]), st.text()
)
ids = st.one_of(st.uuids().map(str), st.none(), st.sampled_from(["", "null", "1", 7, {"a": 1}, "{}"]), st.text())
objects = st.fixed_dictionaries(
    {}, optional={
        "content": st.one_of(words, words, words, st.integers(), st.none(), st.booleans()),
        "messageType": st.sampled_from(["text", "text", "text", "video", "", None, 5]),
        "clientMessageId": ids, "replyTo": ids, "message_type": st.text(max_size=3),
        "more": st.recursive(st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    }
)  # fmt: skip
bodies = st.one_of(
    objects.map(lambda made: json.dumps(made).encode()),
    objects.map(lambda made: json.dumps(made, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    words.map(lambda text: json.dumps({"content": text}).encode()),
    st.tuples(objects, st.integers(0, 400)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]]),
    st.binary(max_size=60),
    st.sampled_from([b"", b"[" * 5000, b"null", b'{"content": "\\ud800"}', b'{"content": "\xff"}', b"\xef\xbb\xbf{}"]),
    st.integers(1, 40_000).map(lambda count: b'{"content": "%b"}' % (b"x" * count)),
)
headers = st.lists(
    st.sampled_from([
        b"content-type: application/json", b"Content-Type: application/json; charset=utf-8", b"accept: */*",
        b"content-type: text/plain", b"content-type: multipart/form-data", b"user-agent: phone/1", b"x-a: b, c",
        b"x-http-method-override: GET", b"cookie: a=b", b"content-encoding: gzip", b"x-empty:",
        b"connection: keep-alive",
    ]), max_size=4, unique=True,
)  # fmt: skip
who_asks = st.sampled_from(
    ["own", "own", "own", "own", "other", "foreign", "service", "staff", "expired", "junk", "none", "basic", "lower"]
)


async def trip_of_its_own(api_url: str, tokens: Tokens) -> tuple[Chat, dict[str, list[bytes]]]:
    """A fresh trip, and who may come with which header."""
    async with httpx.AsyncClient(base_url=api_url, trust_env=False) as client:
        chat = Chat(client, tokens)
        await chat.begin()
    own = chat.token("driver").encode()
    return chat, {
        "own": [b"Authorization: Bearer " + own],
        "other": [b"authorization: Bearer " + chat.token("customer").encode()],
        "foreign": [b"authorization: Bearer " + tokens.driver().encode()],
        "service": [b"authorization: Bearer " + tokens.service().encode()],
        "staff": [b"authorization: Bearer " + tokens.staff().encode()],
        "expired": [b"authorization: Bearer " + tokens.driver(chat.driver_id, ttl_s=-1).encode()],
        "junk": [b"authorization: Bearer x.y.z"], "none": [], "basic": [b"authorization: Basic eA=="],
        "lower": [b"authorization: bearer   " + own + b" "],
    }  # fmt: skip


def alike(heard: Heard) -> tuple[bytes, frozenset[bytes], bytes]:
    """The answer without what is its own; its length is checked where it is read."""
    kept = frozenset(line for line in heard.headers if not line.startswith(b"content-length"))
    return heard.status, kept, VOLATILE.sub(rb'"\1":0', heard.body)


async def ask_both_ways(api_url: str, path: str, body: bytes, more: list[bytes]) -> tuple[Heard, Heard]:
    """The same request twice on one connection: as it is, and with a question mark, which only the long way takes."""
    async with dialled(api_url) as line:
        await line.say(request(path, body, *more))
        short = await line.hear()
        await line.say(request(path + "?", body, *more))
        return short, await line.hear()


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, more=headers, role=who_asks)
@example(body=b'{"content": "At the gate"}', more=[b"content-type: application/json"], role="own")
@example(body=b'{"content": "you idiot, go to hell"}', more=[], role="other")
@example(body=b'{"content": "call me at +1 415 555 0100"}', more=[], role="own")
@example(body=b'{"content": "x", "replyTo": "%b"}' % str(uuid4()).encode(), more=[], role="own")
def test_any_request_gets_the_same_answer_both_ways(
    api_url: str, tokens: Tokens, body: bytes, more: list[bytes], role: str
) -> None:
    async def once() -> None:
        chat, who = await trip_of_its_own(api_url, tokens)
        short, long = await ask_both_ways(api_url, f"{chat.path}/messages", body, [*who[role], *more])
        assert alike(short) == alike(long)

    asyncio.run(once())


quick_bodies = st.one_of(
    st.fixed_dictionaries(
        {
            "templateKey": st.one_of(
                st.sampled_from(["driver_arrived", "customer_on_way", EMERGENCY_KEY, "x" * 101]), words
            )
        },
        optional={"clientMessageId": ids, "content": words},
    ).map(lambda made: json.dumps(made).encode()),
    bodies,
)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=quick_bodies, more=headers, role=who_asks)
@example(body=b'{"templateKey": "%b"}' % EMERGENCY_KEY.encode(), more=[], role="own")
@example(body=b'{"templateKey": "%b"}' % EMERGENCY_KEY.encode(), more=[], role="foreign")
def test_any_quick_message_gets_the_same_answer_both_ways(
    api_url: str, tokens: Tokens, body: bytes, more: list[bytes], role: str
) -> None:
    async def once() -> None:
        chat, who = await trip_of_its_own(api_url, tokens)
        short, long = await ask_both_ways(api_url, f"{chat.path}/messages/quick", body, [*who[role], *more])
        assert alike(short) == alike(long)

    asyncio.run(once())


async def test_every_template_is_sent_the_short_way_and_the_call_for_help_is_a_press(
    api_url: str, tokens: Tokens, ways: Counter[str]
) -> None:
    chat, who = await trip_of_its_own(api_url, tokens)
    sent = dict[str, bytes]()
    async with dialled(api_url) as line:
        for key in (seed.key for seed in SEEDS if seed.audience in ("driver", "both")):
            body = json.dumps({"templateKey": key, "clientMessageId": str(uuid4())}).encode()
            await line.say(request(f"{chat.path}/messages/quick", body, *who["own"]))
            sent[key] = (await line.hear()).status
    assert EMERGENCY_KEY in sent
    assert set(sent.values()) == {b"HTTP/1.1 201 Created"}, sent
    assert ways["short"] == len(sent)
    async with httpx.AsyncClient(base_url=api_url, trust_env=False) as client:
        found = await client.get("/api/staff/incidents", headers=bearer(tokens.staff()))
    assert [one["trip_id"] for one in found.json()["items"]].count(str(chat.trip_id)) == 1


async def test_a_message_is_new_once_and_then_a_repeat_whichever_way_it_comes(
    api_url: str, tokens: Tokens, ways: Counter[str]
) -> None:
    chat, who = await trip_of_its_own(api_url, tokens)
    named = {"clientMessageId": str(uuid4())}
    body = json.dumps({"content": "At the gate", **named}).encode()
    first, second = await ask_both_ways(api_url, f"{chat.path}/messages", body, who["own"])
    third, fourth = await ask_both_ways(api_url, f"{chat.path}/messages", body, who["own"])
    assert ways["short"] == 2
    assert [heard.status.split()[1] for heard in (first, second, third, fourth)] == [b"201", b"200", b"200", b"200"]
    assert first.body == second.body == third.body == fourth.body
    changed = json.dumps({"content": "At the other gate", **named}).encode()
    short, long = await ask_both_ways(api_url, f"{chat.path}/messages", changed, who["own"])
    assert (short, short.status.split()[1]) == (long, b"409")


@pytest.mark.parametrize("path", ["/api/trips/x/messages", "/api/trips/{}/messages", "/api/trips/{}/messages/"])
async def test_a_trip_that_is_not_there_is_not_there_either_way(api_url: str, tokens: Tokens, path: str) -> None:
    _, who = await trip_of_its_own(api_url, tokens)
    for named in (str(uuid4()), str(uuid4()).upper(), uuid4().hex, f"%7B{uuid4()}%7D"):
        short, long = await ask_both_ways(api_url, path.format(named), b'{"content": "x"}', who["own"])
        assert (short, short.status.split()[1]) == (long, b"404")


async def test_a_plain_request_goes_the_short_way_and_an_unusual_one_does_not(
    api_url: str, tokens: Tokens, ways: Counter[str]
) -> None:
    chat, who = await trip_of_its_own(api_url, tokens)
    path, body, own = f"{chat.path}/messages", b'{"content": "At the gate"}', who["own"]
    plain = request(path, body, *own, b"content-type: application/json")
    chunked = request(path, b"", *own).replace(b"content-length: 0", b"transfer-encoding: chunked")
    unusual: dict[str, bytes] = {
        "chunks": chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "two tokens": request(path, body, *own, b"authorization: Bearer x"),
        "another type": request(path, body, *own, b"content-type: text/plain"),
        "expecting": request(path, body, *own, b"expect: something"),
        "old": request(path, body, *own, b"connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
        "a strange host": request(path, body, *own, host=b"a/b"),
        "a whole address": request("http://tripwarden" + path, body, *own),
        "a slash more": request(path + "/", body, *own),
        "large": request(path, b" " * 40_000 + body, *own),
    }
    async with dialled(api_url) as line:
        await line.say(plain)
        assert (await line.hear()).status == b"HTTP/1.1 201 Created"
    assert ways["short"] == 1
    for name, bytes_ in unusual.items():
        async with dialled(api_url) as line:
            await line.say(bytes_)
            await line.hear()
            assert (name, ways["short"]) == (name, 1)


async def test_limits_of_an_address_hold_on_the_short_way(
    api_url: str, tokens: Tokens, ways: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.api.door import protocol
    from backend.errors import ProblemError

    def refuse(*_: Any) -> None:
        raise ProblemError("rate_limited", retry_after_s=2.5)

    monkeypatch.setattr(protocol, "check_address", refuse)
    chat, who = await trip_of_its_own(api_url, tokens)
    async with dialled(api_url) as line:
        await line.say(request(f"{chat.path}/messages", b'{"content": "x"}', *who["own"]))
        heard = await line.hear()
    assert heard.status == b"HTTP/1.1 429 Too Many Requests"
    assert b"retry-after: 3" in heard.headers
    assert ways["short"] == 1
