"""The console's own routes: sign-in, sign-out, the gate, and the alarm feed."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from console.api import StaffApi
from console.routes.assets import asset_routes
from console.routes.gate import ALARM, Gate
from console.routes.live import relay
from console.routes.sign_in import sign_in_routes
from console.settings import ConsoleSettings
from tests.console.world import World

PASSWORD = "correct horse battery"
HTML = {"Accept": "text/html"}


async def _page(_request: Request) -> Response:
    return PlainTextResponse("a page")


async def _html(_request: Request) -> Response:
    return HTMLResponse("<html><head><title>x</title></head></html>")


async def _missing(_request: Request) -> Response:
    return Response(status_code=404)


@pytest.fixture
def email(staff: Callable[[str], StaffApi]) -> str:
    address = f"{uuid4().hex[:8]}@tripwarden.local"
    staff("admin").create_account(email=address, name="Marat", role="moderator", password=PASSWORD)
    return address


def visitor(api_url: str) -> TestClient:
    settings = ConsoleSettings(api_url=api_url, cookie="session")
    app = Starlette(
        routes=[
            *sign_in_routes(settings),
            *asset_routes(),
            Route("/html", _html),
            Route("/settings.py", _missing),
            Route("/{path:path}", _page),
        ],
        middleware=[Middleware(Gate, cookie="session")],
    )
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def client(api_url: str) -> Generator[TestClient]:  # type: ignore[override]
    with visitor(api_url) as made:
        yield made


def test_a_page_without_a_session_leads_to_the_sign_in_and_back(client: TestClient, email: str) -> None:
    answer = client.get("/review", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?to=/review")
    assert 'value="/review"' in client.get(answer.headers["location"], headers=HTML).text

    answer = client.post("/session", data={"email": email, "password": PASSWORD, "to": "/review"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    assert {"httponly", "samesite=strict", "path=/"} <= set(answer.headers["set-cookie"].lower().split("; "))
    assert client.get("/review", headers=HTML).text == "a page"


def test_a_sign_out_ends_the_token_and_the_cookie(client: TestClient, email: str, api_url: str) -> None:
    client.post("/session", data={"email": email, "password": PASSWORD})
    token = client.cookies["session"]
    answer = client.post("/session/end")
    assert answer.headers["location"] == "/sign-in?why=out"
    assert "session" not in client.cookies
    again = httpx.get(f"{api_url}/api/staff/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert again.status_code == 401


def test_a_wrong_password_says_so_and_keeps_the_address(client: TestClient, email: str) -> None:
    answer = client.post("/session", data={"email": email, "password": "wrong", "to": "/audit"})
    assert answer.status_code == 401
    assert "do not match" in answer.text
    assert email in answer.text
    assert "set-cookie" not in answer.headers


def test_an_api_that_is_away_is_no_wrong_password() -> None:
    answer = visitor("http://127.0.0.1:9").post("/session", data={"email": "a@b.c", "password": "x"})
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text


@pytest.mark.parametrize("path", ["/session", "/session/end"])
def test_another_site_signs_nobody_in_or_out(client: TestClient, path: str) -> None:
    fields = {"email": "a@b.c", "password": "x"}
    assert client.post(path, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post(path, data=fields, headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", ""])
def test_a_sign_in_leads_nowhere_else(client: TestClient, email: str, to: str) -> None:
    answer = client.post("/session", data={"email": email, "password": PASSWORD, "to": to})
    assert answer.headers["location"] == "/"


def test_a_huge_form_is_not_read(client: TestClient) -> None:
    answer = client.post("/session", data={"email": "a@b.c", "password": "x" * 100_000})
    assert answer.status_code == 422


def test_what_is_typed_is_never_markup(client: TestClient) -> None:
    answer = client.post("/session", data={"email": '"><script>', "password": "", "to": '/"><script>'})
    assert "<script>" not in answer.text


def test_the_alarm_is_in_every_page_before_the_rest_of_it(client: TestClient, email: str) -> None:
    client.post("/session", data={"email": email, "password": PASSWORD})
    answer = client.get("/html", headers=HTML)
    assert answer.text == f"<html><head><title>x</title>{ALARM.decode()}</head></html>"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "tripwardenAlarm" in client.get("/assets/alarm.js").text
    assert client.get("/assets/../settings.py").status_code == 404


def test_no_other_site_may_frame_the_console(client: TestClient) -> None:
    headers = client.get("/sign-in", headers=HTML).headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def _first(api_url: str, token: str, kind: str) -> str:
    async for event in relay(api_url, token):
        if event.startswith(f"event: {kind}"):
            return event
    raise AssertionError(f"no {kind}")


async def test_the_feed_passes_the_state_on(world: World, api_url: str) -> None:
    world.trip()
    event = await _first(api_url, world.tokens.staff("viewer"), "status")
    assert json.loads(event.split("data:", 1)[1])["trips"]["live"] >= 1


async def test_the_feed_says_that_a_token_has_ended(world: World, api_url: str) -> None:
    assert await _first(api_url, world.tokens.staff("viewer", ttl_s=-5), "signed-out")


async def test_the_feed_says_that_it_is_deaf() -> None:
    assert "unreachable" in await _first("http://127.0.0.1:9", "any", "down")
