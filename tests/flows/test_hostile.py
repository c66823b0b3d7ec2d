"""Bad input: a clear code, a sentence, the right status; nothing stored, no stack trace, the process stays up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket as sockets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.pipeline.services import Services
from backend.settings import Settings
from tests.factories.chat import Chat
from tests.factories.tokens import bearer


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether this is a problem object with that code, and nothing of our insides in it."""
    body = answer.json()
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    assert {"status", "code", "detail", "title"} <= set(body)
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    return True


@pytest.mark.parametrize(
    "path", ["/api/trips/not-a-uuid/messages", "/api/trips/1/messages", "/api/nowhere", "/api/trips/"]
)
async def test_an_address_that_does_not_exist_is_not_found(chat: Chat, path: str) -> None:
    assert is_problem(await chat.client.get(path, headers=chat.as_("driver")), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_body"),
        (b"{", 400, "invalid_body"),
        (b"[]", 400, "invalid_body"),
        (b"null", 400, "invalid_body"),
        (b'{"content": 5}', 400, "invalid_body"),
        (b'{"messageType": "text"}', 400, "invalid_body"),
        (b'{"content": "x", "messageType": "video"}', 400, "invalid_body"),
        (b'{"content": "x", "clientMessageId": "1"}', 400, "invalid_body"),
        (b'{"content": "x", "replyTo": 7}', 400, "invalid_body"),
        (b'{"content": "\xff\xfe"}', 400, "invalid_body"),
        (b'{"content": "\\ud800"}', 400, "invalid_body"),
        (b"[" * 5000, 400, "invalid_body"),
        (b'{"content": ""}', 422, "content_empty"),
        (b'{"content": " \\n\\t "}', 422, "content_empty"),
        (b'{"content": "\\u200b\\u2060 \\ufeff"}', 422, "content_empty"),
        (b'{"content": "a\\u0000b"}', 422, "content_control_characters"),
        (b'{"content": "a\\u001b[2Jb"}', 422, "content_control_characters"),
        (b'{"content": "a\\u0085b"}', 422, "content_control_characters"),
        (json.dumps({"content": "x" * 2001}).encode(), 422, "content_too_long"),
        (b'{"content": "' + b"x" * 1_000_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_not_right_says_what_is_wrong(chat: Chat, body: bytes, status: int, code: str) -> None:
    headers = {**chat.as_("driver"), "content-type": "application/json"}
    answer = await chat.client.post(f"{chat.path}/messages", content=body, headers=headers)
    assert is_problem(answer, status, code)
    assert (await chat.history("driver"))["items"] == []


async def test_words_of_every_script_pass_unharmed(chat: Chat) -> None:
    words = "مرحبا 你好 नमस्ते Қайдасыз? ё й 👩‍👩‍👧 🇰🇿 \t\n e\u0301"
    assert (await chat.say("driver", words)).json()["content"] == words
    assert (await chat.history("customer"))["items"][0]["content"] == words


async def test_two_thousand_code_points_are_not_too_long(chat: Chat) -> None:
    assert (await chat.say("driver", "🚕" * 40 + "ab " * 653)).status_code == 201


@pytest.mark.parametrize(
    "query", ["after_seq=x", "after_seq=-1", "limit=0", "limit=100000", "before_seq=99999999999999999999"]
)
async def test_a_cursor_that_is_no_number_is_refused(chat: Chat, query: str) -> None:
    answer = await chat.client.get(f"{chat.path}/messages?{query}", headers=chat.as_("driver"))
    assert is_problem(answer, 400, "invalid_body")


async def test_a_method_that_an_address_does_not_take(chat: Chat) -> None:
    answer = await chat.client.patch(f"{chat.path}/messages", headers=chat.as_("driver"))
    assert is_problem(answer, 405, "method_not_allowed")


async def test_an_unknown_template(chat: Chat) -> None:
    answer = await chat.client.post(
        f"{chat.path}/messages/quick", json={"templateKey": "nope"}, headers=chat.as_("driver")
    )
    assert is_problem(answer, 404, "template_unknown")


def _part(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


async def test_forged_expired_and_foreign_tokens_open_nothing(chat: Chat, tokens: Any, settings: Settings) -> None:
    now = datetime.now(UTC)
    claims = {
        "sub": str(chat.driver_id), "role": "driver", "aud": settings.token.audience, "iss": settings.token.issuer,
        "iat": now, "exp": now + timedelta(hours=1), "jti": uuid4().hex,
    }  # fmt: skip
    own = Ed25519PrivateKey.generate()
    pem = (settings.data.dir / "keys" / "token.pem").read_bytes()
    right = serialization.load_pem_private_key(pem, None)
    public = right.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    plain = {**claims, "iat": now.timestamp(), "exp": now.timestamp() + 3600}
    confused = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(plain)}"
    mac = base64.urlsafe_b64encode(hmac.new(public, confused.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    good = jwt.encode(claims, right, "EdDSA")
    forged = {
        "another key": jwt.encode(claims, own, "EdDSA"),
        "no signature": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(plain)}.",
        "the public key as a secret": f"{confused}.{mac}",
        "another audience": jwt.encode({**claims, "aud": "somebody"}, right, "EdDSA"),
        "no audience": jwt.encode({k: v for k, v in claims.items() if k != "aud"}, right, "EdDSA"),
        "another issuer": jwt.encode({**claims, "iss": "somebody"}, right, "EdDSA"),
        "no expiry": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, right, "EdDSA"),
        "no such role": jwt.encode({**claims, "role": "root"}, right, "EdDSA"),
        "staff without a role": jwt.encode({**claims, "role": "staff"}, right, "EdDSA"),
        "cut": good[:-3],
        "changed": good[:-40] + ("A" if good[-40] != "A" else "B") + good[-39:],
        "nothing": "x",
        "long": "x" * 20_000,
        "an endless expiry": jwt.encode({**claims, "exp": 1e300}, right, "EdDSA"),
    }
    path = f"{chat.path}/messages"
    assert (await chat.client.get(path, headers=bearer(good))).status_code == 200, "the right one is right"
    for name, token in forged.items():
        answer = await chat.client.get(path, headers=bearer(token))
        assert answer.status_code == 401, name
        assert is_problem(answer, 401, "not_authenticated")
    assert is_problem(
        await chat.client.get(path, headers=bearer(tokens.driver(chat.driver_id, ttl_s=-1))), 401, "token_expired"
    )
    assert is_problem(await chat.client.get(path), 401, "not_authenticated")
    assert is_problem(await chat.client.get(path, headers={"Authorization": "Basic eA=="}), 401, "not_authenticated")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "invalid_frame"),
        ("{", "invalid_frame"),
        ("[]", "invalid_frame"),
        ('"hi"', "invalid_frame"),
        ('{"event": 1}', "invalid_frame"),
        ('{"data": {}}', "invalid_frame"),
        ('{"event": "dance", "data": {}}', "unknown_event"),
        ('{"event": "message"}', "invalid_body"),
        ('{"event": "message", "data": []}', "invalid_body"),
        ('{"event": "message", "data": {"content": 1}}', "invalid_body"),
        ('{"event": "message", "data": {"content": ""}}', "content_empty"),
        ('{"event": "message", "data": {"content": "a\\u0000"}}', "content_control_characters"),
        ('{"event": "quick", "data": {"templateKey": "nope"}}', "template_unknown"),
        ('{"event": "read", "data": {}}', "invalid_value"),
        ('{"event": "read", "data": {"seq": 99}}', "invalid_value"),
        ('{"event": "read", "data": {"seq": -1}}', "invalid_body"),
        ('{"event": "read", "data": {"messageId": "00000000-0000-0000-0000-000000000001"}}', "message_not_found"),
        ('{"event": "auth", "data": {"token": "again"}}', "unknown_event"),
        ("[" * 10_000, "invalid_frame"),
    ],
)
async def test_a_malformed_frame_is_answered_and_the_socket_lives(chat: Chat, raw: str, code: str) -> None:
    phone = await chat.join("driver")
    await phone.socket.send(raw)
    assert (await phone.hear("error"))["code"] == code
    await phone.send("message", content="still here")
    assert (await phone.hear("ack"))["status"] == "delivered"


async def test_the_error_of_a_frame_names_the_message_that_it_is_about(chat: Chat) -> None:
    phone, client_id = await chat.join("driver"), str(uuid4())
    await phone.send("message", content=7, clientMessageId=client_id)
    assert (await phone.hear("error"))["clientMessageId"] == client_id


async def test_a_client_that_only_sends_nonsense_is_closed(chat: Chat) -> None:
    phone = await chat.join("driver")
    for _ in range(10):
        await phone.socket.send(b"\x00\x01")
    assert await phone.closed_with() == 4400


async def test_a_frame_of_a_megabyte_closes_only_its_own_socket(chat: Chat) -> None:
    big, small = await chat.join("driver"), await chat.join("customer")
    await big.socket.send("x" * 1_000_000)
    assert await big.closed_with() == 1009
    await small.send("message", content="still here")
    assert (await small.hear("ack"))["status"] == "delivered"


async def test_a_hundred_sockets_of_one_user_are_too_many(chat: Chat) -> None:
    phones = await asyncio.gather(*(chat.dial() for _ in range(100)))
    token = chat.token("driver")
    await asyncio.gather(*(phone.send("auth", token=token) for phone in phones))
    firsts = await asyncio.gather(*(phone.next(20.0) for phone in phones))
    joined = [phone for phone, frame in zip(phones, firsts, strict=True) if frame["event"] == "joined"]
    assert len(joined) == 10
    refused = [frame for frame in firsts if frame["event"] == "error"]
    # Whichever bound they meet first: open sockets, or joins a second.
    assert {frame["data"]["code"] for frame in refused} <= {"too_many_sockets", "rate_limited"}
    assert len(refused) == 90
    await joined[0].send("message", content="the first ten work")
    assert (await joined[0].hear("ack"))["status"] == "delivered"


async def test_a_client_that_never_reads_is_closed_and_costs_nobody_anything(
    chat: Chat, services: Services, api_url: str
) -> None:
    deaf = sockets.create_connection(("127.0.0.1", int(api_url.rsplit(":", 1)[1])))
    deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    key = base64.b64encode(b"0123456789abcdef").decode()
    deaf.sendall(
        f"GET /ws/trips/{chat.trip_id}/chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in deaf.recv(1024).split(b"\r\n")[0]
    auth = json.dumps({"event": "auth", "data": {"token": chat.token("customer")}}).encode()
    mask = b"\x00\x00\x00\x00"
    deaf.sendall(b"\x81" + bytes([0x80 | 126]) + len(auth).to_bytes(2, "big") + mask + auth)
    listening = await chat.join("customer")
    frame = b'{"event":"typing","data":"' + b"x" * 60_000 + b'"}'
    for _ in range(400):
        services.hub.whisper(chat.trip_id, "customer", frame)
        await asyncio.sleep(0)
    await chat.say("driver", "still delivered")
    heard = await listening.hear("new-message", 10.0)
    assert heard["content"] == "still delivered"
    deaf.close()


async def test_a_rate_limit_says_when_to_come_back(chat: Chat) -> None:
    token = chat.as_("driver")
    body = {"content": "x", "messageType": "text"}
    answers = [await chat.client.post(f"{chat.path}/messages", json=body, headers=token) for _ in range(60)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert is_problem(limited[0], 429, "rate_limited")
    assert int(limited[0].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "change",
    [
        {"status": "flying"},
        {"market": "no such market!"},
        {"driver": {"id": "x"}},
        {"driver": {"id": str(uuid4()), "phone": "12"}},
        {"customer": None},
        {"pickup": {"note": "x" * 5000}},
    ],
)
async def test_a_trip_that_is_not_right_is_not_made(chat: Chat, change: dict[str, Any]) -> None:
    body = {
        "market": "default",
        "status": "accepted",
        "driver": {"id": str(uuid4())},
        "customer": {"id": str(uuid4())},
    } | change
    trip_id = uuid4()
    answer = await chat.client.put(f"/api/platform/trips/{trip_id}", json=body, headers=chat.service)
    assert answer.status_code in (400, 422)
    moved = await chat.client.post(
        f"/api/platform/trips/{trip_id}/status", json={"status": "pickup"}, headers=chat.service
    )
    assert is_problem(moved, 404, "trip_not_found")


NUL = "a\x00b"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "users/{user}", {"name": NUL}),
        ("PUT", "users/{user}", {"devices": [{"push": NUL}]}),
        ("PUT", "users/{user}", {"devices": [{NUL: 1}]}),
        ("PUT", "trips/{trip}", {"driver": {"id": "{user}", "name": NUL}}),
        ("PUT", "trips/{trip}", {"pickup": {"address": NUL}}),
        ("PUT", "trips/{trip}", {"vehicle": {"plate": NUL}}),
        ("POST", "trips/{trip}/status", {"status": NUL}),
        ("POST", "trips/{trip}/location", {"lat": 1, "lon": 1, "at": "0001-01-01T00:00:00+14:00"}),
        ("POST", "users/{user}/suspension", {"until": "0001-01-01T00:00:00+14:00"}),
        ("POST", "users/{user}/suspension", {"until": "9999-12-31T23:59:59-14:00"}),
    ],
)
async def test_what_json_may_hold_and_a_row_may_not_is_refused(
    chat: Chat, method: str, path: str, body: dict[str, Any]
) -> None:
    whole = {
        "market": "default",
        "status": "accepted",
        "driver": {"id": str(chat.driver_id)},
        "customer": {"id": str(chat.customer_id)},
    }
    names = {"user": str(chat.driver_id), "trip": str(chat.trip_id)}
    sent = json.loads(json.dumps(whole | body if path == "trips/{trip}" else body).replace("{user}", names["user"]))
    answer = await chat.client.request(method, "/api/platform/" + path.format(**names), json=sent, headers=chat.service)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("invalid_value", "invalid_body")


async def test_no_character_keeps_a_call_for_help_out(chat: Chat) -> None:
    body = {"clientRequestId": NUL, "note": NUL, "location": {"lat": 1, "lon": 1, "at": "0001-01-01T00:00:00+14:00"}}
    answer = await chat.client.post(f"{chat.path}/emergency", json=body, headers=chat.as_("customer"))
    assert answer.status_code == 201, answer.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(min_size=1, max_size=200))
async def test_any_text_is_kept_as_it_is_or_refused_with_a_code(chat: Chat, content: str) -> None:
    fresh = Chat(chat.client, chat.tokens)
    await fresh.begin()
    answer = await fresh.say("driver", content)
    if answer.status_code == 201:
        assert answer.json()["content"] == content
    else:
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["code"] in (
            "content_empty", "content_control_characters", "message_rejected", "invalid_body"
        )  # fmt: skip
