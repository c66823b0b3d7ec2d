"""Firebase over real HTTP: what the client sends is what the API takes, and what the API says is understood."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from backend.i18n import LANGUAGES
from backend.notification.simulator import SimulatorConfig
from backend.notification.simulator.fcm import ensure_account, read_account
from backend.notification.simulator.fcm.problems import ERRORS, GoogleError
from backend.notification.simulator.server import server_for
from backend.push.fcm import FcmPusher, build_pusher
from backend.push.fcm_account import load_account
from backend.push.fcm_failures import from_answer
from backend.push.fcm_message import message_of
from backend.push.interface import Failure, Order, PushError
from backend.push.wording import TITLES, title
from backend.settings import PushSettings, SettingError
from tests.backend.notification.harness import free_port, serving

TOKEN = "device:APA91b" + "x" * 120
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def order(token: str = TOKEN, **more: Any) -> Order:
    facts = {"key": "a.b", "title": "New", "trip_id": UUID(int=1), "message_id": UUID(int=2), "seq": 3, "ttl_s": 60}
    return Order(token=token, **(facts | more))


@pytest.fixture(scope="module")
async def firebase(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[PushSettings]:
    account = ensure_account(tmp_path_factory.mktemp("firebase") / "account.json")
    server = server_for(SimulatorConfig(firebase=read_account(account)), "127.0.0.1", free_port())
    async with serving(server) as url:
        yield PushSettings(credentials_file=str(account), api_base=f"{url}/fcm", token_url=f"{url}/fcm/token")


@pytest.fixture
async def control(firebase: PushSettings) -> AsyncGenerator[httpx.AsyncClient]:
    base = firebase.api_base.removesuffix("/fcm") + "/_control"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        yield client
        await client.post("/reset")


@pytest.fixture
async def pusher(firebase: PushSettings) -> AsyncGenerator[FcmPusher]:
    made = FcmPusher.from_settings(firebase)
    yield made
    await made.close()


async def fault(control: httpx.AsyncClient, kind: str, resource: str = "push", **more: Any) -> None:
    (await control.post("/faults", json={"kind": kind, "resource": resource, **more})).raise_for_status()


async def refused(pusher: FcmPusher, one: Order | None = None) -> PushError:
    with pytest.raises(PushError) as caught:
        await pusher.send(one or order())
    assert TOKEN not in str(caught.value)
    return caught.value


async def test_a_push_is_taken_and_has_a_name(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    name = await pusher.send(order())
    assert name.startswith("projects/tripwarden-simulated/messages/")
    (sent,) = (await control.get("/push/sent")).json()
    assert (sent["name"], sent["message"]["token"]) == (name, TOKEN)


async def test_one_access_token_does_for_many_pushes(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    before = (await control.get("/push/grants")).json()["grants"]
    for _ in range(5):
        await pusher.send(order())
    assert (await control.get("/push/grants")).json()["grants"] == before + 1


async def test_one_that_is_refused_is_fetched_anew_at_once(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    await pusher.send(order())
    await control.post("/push/expire")
    await pusher.send(order())
    assert len((await control.get("/push/sent")).json()) == 2


async def test_a_token_server_in_trouble_is_asked_again_later(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    for kind in ("html", "reset", "empty", "cut"):
        await fault(control, kind, "push_token")
        assert (await refused(pusher)).failure is Failure.RETRY
    await pusher.send(order())


async def test_a_device_without_the_app_is_gone(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    await control.put("/push/unregistered", json={"tokens": [TOKEN]})
    assert (await refused(pusher)).failure is Failure.GONE


async def test_what_is_no_registration_token_is_gone_too(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    assert (await refused(pusher, order("short"))).failure is Failure.GONE


@pytest.mark.parametrize("word", sorted(set(ERRORS) - {"UNREGISTERED"}))
async def test_every_other_error_keeps_the_device(pusher: FcmPusher, control: httpx.AsyncClient, word: str) -> None:
    await fault(control, "error", word=word, times=2)
    error = await refused(pusher)
    assert error.failure is not Failure.GONE
    again = ("INTERNAL", "UNAVAILABLE", "QUOTA_EXCEEDED", "UNAUTHENTICATED")
    assert (error.failure is Failure.RETRY) == (word in again)


async def test_a_quota_without_a_word_how_long_is_a_minute(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    await fault(control, "error", word="QUOTA_EXCEEDED")
    assert (await refused(pusher)).retry_after_s == 60.0


async def test_while_it_asks_for_quiet_it_is_not_asked(pusher: FcmPusher, control: httpx.AsyncClient) -> None:
    await fault(control, "error", word="UNAVAILABLE", retry_after_s=120)
    assert (await refused(pusher)).retry_after_s == 120
    waiting = await refused(pusher, order("other:" + "y" * 100))
    assert waiting.retry_after_s is not None
    assert 110 < waiting.retry_after_s <= 120
    assert (await control.get("/push/sent")).json() == []


@pytest.mark.parametrize("kind", ["reset", "cut", "empty", "html"])
async def test_an_answer_that_says_nothing_may_be_tried_again(
    pusher: FcmPusher, control: httpx.AsyncClient, kind: str
) -> None:
    await fault(control, kind, status=502)
    assert (await refused(pusher)).failure is Failure.RETRY
    await pusher.send(order())


async def test_only_the_accounts_own_signature_for_this_very_address_opens(
    firebase: PushSettings, control: httpx.AsyncClient
) -> None:
    account = load_account(firebase.credentials_file)
    foreign = generate_private_key(public_exponent=65537, key_size=2048)

    async def grant(key: Any, kid: str = account.private_key_id, **claims: Any) -> httpx.Response:
        good = {
            "iss": account.client_email,
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": firebase.token_url,
            "iat": 1_000,
            "exp": 4_000_000_000,
        }
        assertion = jwt.encode(good | claims, key, algorithm="RS256", headers={"kid": kid})
        return await control.post(firebase.token_url, data={"grant_type": GRANT, "assertion": assertion})

    now = int(time.time())
    own, right = account.private_key, {"iat": now, "exp": now + 600}
    assert (await grant(own, **right)).status_code == 200
    for answer in (
        await grant(foreign, **right),
        await grant(own, kid="other", **right),
        await grant(own, **(right | {"aud": "https://oauth2.googleapis.com/token"})),
        await grant(own, **(right | {"exp": now + 7_200})),
        await grant(own, **(right | {"exp": now - 10})),
        await grant(own, **(right | {"iss": "somebody@else"})),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await grant(own, **(right | {"scope": "email"}))).json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"topic": "both"},
        {"data": {"n": 1}},
        {"data": {"from": "x"}},
        {"data": {"big": "x" * 5_000}},
        {"android": {"ttl": "60"}},
        {"android": {"priority": "URGENT"}},
        {"apns": {"headers": {"apns-collapse-id": "x" * 65}}},
        {"apns": {"headers": {"apns-priority": "7"}}},
        {"webpush": {"headers": {"Topic": "x" * 33}}},
        {"text": "a word of the message"},
    ],
)
async def test_the_local_one_refuses_what_the_real_one_refuses(
    pusher: FcmPusher, firebase: PushSettings, control: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    await pusher.send(order())
    token = await pusher._tokens.get(pusher._open())  # pyright: ignore[reportPrivateUsage]
    body = message_of(order())
    body["message"] |= change
    url = f"{firebase.api_base}/v1/projects/tripwarden-simulated/messages:send"
    answer = await control.post(url, json=body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_nothing_but_the_token_itself_makes_us_forget_a_device() -> None:
    for code in set(ERRORS) - {"UNREGISTERED"}:
        for field in ("", "message.data", "message"):
            error = GoogleError(code, field=field)
            assert from_answer(error.status, {}, msgspec.json.encode(error.body())).failure is not Failure.GONE


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_answer_is_too_strange(status: int, body: bytes) -> None:
    assert from_answer(status, {"retry-after": "soon"}, body).failure in (Failure.RETRY, Failure.REFUSED)


def test_every_language_has_a_line_for_both_readers() -> None:
    assert set(TITLES) == {"driver", "customer"}
    for reader in TITLES:
        assert set(TITLES[reader]) == set(LANGUAGES)
        assert title(reader, None) == TITLES[reader]["en"]


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"project_id": "p", "private_key": "none"}'])
def test_a_credentials_file_that_is_none_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(content)
    with pytest.raises(SettingError, match="PUSH_CREDENTIALS_FILE"):
        build_pusher(PushSettings(credentials_file=str(path)))


def test_an_account_with_a_broken_key_is_told_without_the_key(tmp_path: Path) -> None:
    account = json.loads(ensure_account(tmp_path / "account.json").read_text())
    (tmp_path / "account.json").write_text(json.dumps(account | {"private_key": "-----BEGIN SECRET-----"}))
    with pytest.raises(SettingError) as caught:
        build_pusher(PushSettings(credentials_file=str(tmp_path / "account.json")))
    assert "SECRET" not in str(caught.value)


def test_without_a_credentials_file_nothing_is_pushed() -> None:
    assert build_pusher(replace(PushSettings(), credentials_file="")) is None
