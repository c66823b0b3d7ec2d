"""Every route, tried by everybody who has no business there. A route that is not in the table fails the build."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from litestar.routes import HTTPRoute, WebSocketRoute
from websockets.asyncio.client import connect

from backend.app import create_app
from backend.settings import Settings
from tests.backend.api_staff.ride import HARMLESS, Reviewer, Ride
from tests.factories.tokens import Tokens, bearer

TRAVELLERS = frozenset({"driver", "customer"})
PLATFORM = frozenset({"service"})
STAFF = frozenset({"viewer", "moderator", "lead", "compliance", "admin"})
READERS = STAFF - {"viewer"}
DECIDERS = frozenset({"moderator", "lead", "admin"})
LEADS = frozenset({"lead", "admin"})
AUDITORS = frozenset({"lead", "compliance", "admin"})
ADMINS = frozenset({"admin"})
EVERYBODY = frozenset({"nobody"}) | TRAVELLERS | PLATFORM | STAFF
#: Their door is a signature of the provider, not a token.
PROVIDER: frozenset[str] = frozenset()

#: Who may. Adding a route means deciding this here.
TABLE: dict[str, frozenset[str]] = {
    "GET /api/trips/{trip_id}/messages": TRAVELLERS,
    "POST /api/trips/{trip_id}/messages": TRAVELLERS,
    "POST /api/trips/{trip_id}/messages/quick": TRAVELLERS,
    "POST /api/trips/{trip_id}/messages/media": TRAVELLERS,
    "PUT /api/trips/{trip_id}/messages/{message_id}/read": TRAVELLERS,
    "GET /api/messages/templates": TRAVELLERS,
    "POST /api/messages/templates/use": TRAVELLERS,
    "POST /api/ws-tickets": TRAVELLERS,
    "GET /api/trips/{trip_id}/access-history": TRAVELLERS,
    "POST /api/trips/{trip_id}/emergency": TRAVELLERS,
    "POST /api/trips/{trip_id}/call-customer": TRAVELLERS,
    "POST /api/trips/{trip_id}/call-driver": TRAVELLERS,
    "PUT /api/platform/trips/{trip_id}": PLATFORM,
    "POST /api/platform/trips/{trip_id}/status": PLATFORM,
    "POST /api/platform/trips/{trip_id}/location": PLATFORM,
    "PUT /api/platform/users/{user_id}": PLATFORM,
    "POST /api/platform/users/{user_id}/revoke-tokens": PLATFORM,
    "POST /api/platform/users/{user_id}/suspension": PLATFORM,
    "POST /api/twilio/voice/{attempt_id}": PROVIDER,
    "POST /api/twilio/gather/{attempt_id}": PROVIDER,
    "POST /api/twilio/status/{attempt_id}": PROVIDER,
    "POST /api/twilio/sms": PROVIDER,
    "GET /health/live": EVERYBODY,
    "GET /health/ready": EVERYBODY,
    "GET /metrics": EVERYBODY,
    "GET /schema": EVERYBODY,
    "GET /schema/openapi.json": EVERYBODY,
    "GET /schema/{path}": EVERYBODY,
    "POST /api/staff/session": EVERYBODY,
    "DELETE /api/staff/session": STAFF,
    "GET /api/staff/me": STAFF,
    "GET /api/staff/live": STAFF,
    "GET /api/staff/live-trips": STAFF,
    "GET /api/staff/trips/{trip_id}": READERS,
    "GET /api/staff/trips/{trip_id}/messages": READERS,
    "GET /api/staff/cases": STAFF,
    "GET /api/staff/cases/{case_id}": READERS,
    "POST /api/staff/cases/claim": DECIDERS,
    "POST /api/staff/cases/{case_id}/claim": DECIDERS,
    "POST /api/staff/cases/{case_id}/heartbeat": DECIDERS,
    "POST /api/staff/cases/{case_id}/skip": DECIDERS,
    "POST /api/staff/cases/{case_id}/refer": DECIDERS,
    "POST /api/staff/cases/{case_id}/decisions": DECIDERS,
    "POST /api/staff/cases/{case_id}/reversal": DECIDERS,
    "GET /api/staff/people/{user_id}": READERS,
    "GET /api/staff/accounts": ADMINS,
    "POST /api/staff/accounts": ADMINS,
    "GET /api/staff/templates": STAFF,
    "POST /api/staff/templates": DECIDERS,
    "PUT /api/staff/templates/{template_id}": DECIDERS,
    "POST /api/staff/templates/{template_id}/publish": LEADS,
    "POST /api/staff/templates/{template_id}/retire": LEADS,
    "GET /api/staff/incidents": STAFF,
    "GET /api/staff/incidents/{incident_id}": STAFF,
    "POST /api/staff/incidents/{incident_id}/acknowledge": DECIDERS,
    "POST /api/staff/incidents/{incident_id}/notes": DECIDERS,
    "POST /api/staff/incidents/{incident_id}/resolve": DECIDERS,
    "GET /api/staff/simulated-phones": STAFF,
    "GET /api/staff/audit": AUDITORS,
    "GET /api/staff/audit/{index}": AUDITORS,
    "GET /api/staff/audit/checkpoint": AUDITORS,
    "GET /api/staff/retention/schedules": AUDITORS,
    "PUT /api/staff/retention/schedules/{market}/{record_class}": AUDITORS,
    "GET /api/staff/retention/runs": AUDITORS,
    "POST /api/staff/retention/runs": AUDITORS,
    "POST /api/staff/retention/runs/{run_id}/approve": AUDITORS,
    "GET /api/staff/retention/holds": AUDITORS,
    "POST /api/staff/retention/holds": AUDITORS,
    "POST /api/staff/retention/holds/{hold_id}/release": AUDITORS,
    "GET /api/staff/retention/report": AUDITORS,
}
SOCKETS: dict[str, frozenset[str]] = {"/ws/trips/{trip_id}/chat": TRAVELLERS}


def _routes(settings: Settings) -> Iterator[str]:
    for route in create_app(settings).routes:
        if isinstance(route, HTTPRoute):
            yield from (f"{method} {route.path_format}" for method in sorted(route.methods - {"OPTIONS"}))


def _unknown(routes: set[str], table: set[str]) -> set[str]:
    """Routes without a line in the table, and lines without a route."""
    return routes ^ table


def test_every_route_is_in_the_table_and_every_line_is_a_route(settings: Settings) -> None:
    assert _unknown(set(_routes(settings)), set(TABLE)) == set()
    sockets = {route.path_format for route in create_app(settings).routes if isinstance(route, WebSocketRoute)}
    assert sockets == set(SOCKETS)


def test_a_route_that_nobody_thought_of_would_be_found() -> None:
    assert _unknown({"GET /api/staff/secrets", "GET /metrics"}, {"GET /metrics"}) == {"GET /api/staff/secrets"}


@pytest.fixture(scope="module")
def callers(tokens: Tokens) -> dict[str, str]:
    """A good key of each kind of caller."""
    return {
        "nobody": "",
        "driver": tokens.driver(),
        "customer": tokens.customer(),
        "service": tokens.service(),
    } | {role: tokens.staff(role) for role in sorted(STAFF)}


async def _try(client: httpx.AsyncClient, route: str, token: str) -> httpx.Response:
    method, path = route.split(" ")
    for name in ("trip", "message", "user", "attempt", "case", "template", "incident", "run", "hold"):
        path = path.replace("{" + name + "_id}", str(uuid4()))
    for name, value in {"index": "0", "path": "openapi.json", "market": "default", "record_class": "text"}.items():
        path = path.replace("{" + name + "}", value)
    headers = bearer(token) if token else {}
    return await client.request(method, path, headers=headers, json=None if method == "GET" else {})


@pytest.mark.parametrize("route", [route for route, allowed in TABLE.items() if allowed != EVERYBODY])
async def test_wrong_callers_are_refused(client: httpx.AsyncClient, callers: dict[str, str], route: str) -> None:
    for caller in sorted(EVERYBODY - TABLE[route]):
        answer = await _try(client, route, callers[caller])
        expected = (401, "not_authenticated") if caller == "nobody" and TABLE[route] else (403, "forbidden")
        assert (answer.status_code, answer.json()["code"]) == expected, caller


@pytest.mark.parametrize("route", sorted(set(TABLE) - {"DELETE /api/staff/session"}))
async def test_right_callers_get_past_the_door(client: httpx.AsyncClient, callers: dict[str, str], route: str) -> None:
    """Without this the test above would pass on a product that refuses everybody."""
    for caller in sorted(TABLE[route]):
        answer = await _try(client, route, callers[caller])
        refused = route != "POST /api/staff/session" and answer.status_code in (401, 403)
        assert not refused, (caller, answer.text)
        assert answer.status_code in (501, 503) or answer.status_code < 500, (caller, answer.text)


@pytest.mark.parametrize("route", sorted(TABLE))
async def test_forged_and_empty_tokens_open_nothing(client: httpx.AsyncClient, tokens: Tokens, route: str) -> None:
    if TABLE[route] in (EVERYBODY, PROVIDER):
        return
    head, body, _ = tokens.service().split(".")
    for token in ("x", f"{head}.{body}.", f"{head}.{body}.AAAA", "." * 9000):
        answer = await _try(client, route, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_a_trip_of_others_looks_like_one_that_does_not_exist(client: httpx.AsyncClient, tokens: Tokens) -> None:
    ride = await Ride(client, tokens).begin()
    message = await ride.say("driver", HARMLESS)
    strangers = {
        "another driver": tokens.driver(),
        "another rider": tokens.customer(),
        "the rider as driver": tokens.driver(ride.customer_id),
        "the driver as rider": tokens.customer(ride.driver_id),
        "the driver, with a key for another trip": tokens.driver(ride.driver_id, trip=uuid4()),
    }
    body = {"content": "hello", "messageType": "text", "templateKey": "driver_arrived", "tripId": str(ride.trip_id)}
    calls = [
        ("GET", "messages", None),
        ("POST", "messages", body),
        ("PUT", f"messages/{message['id']}/read", None),
        ("GET", "access-history", None),
        ("POST", "emergency", {"clientRequestId": str(uuid4())}),
    ]
    for who, token in strangers.items():
        for method, path, sent in calls:
            real = await client.request(method, f"/api/trips/{ride.trip_id}/{path}", json=sent, headers=bearer(token))
            made_up = await client.request(method, f"/api/trips/{uuid4()}/{path}", json=sent, headers=bearer(token))
            assert (real.status_code, real.json()["code"]) == (404, "trip_not_found"), (who, path)
            assert real.json() == made_up.json()


async def test_wrong_callers_get_no_socket(client: httpx.AsyncClient, callers: dict[str, str], tokens: Tokens) -> None:
    ride = await Ride(client, tokens).begin()
    base = str(client.base_url).replace("http", "ws", 1).rstrip("/")
    for caller, token in callers.items():
        async with connect(f"{base}/ws/trips/{ride.trip_id}/chat", proxy=None) as socket:
            await socket.send(json.dumps({"event": "auth", "data": {"token": token}}))
            frame = json.loads(await socket.recv())
            assert frame["event"] == "error", caller
    async with ride.line("driver"):
        pass


async def test_a_role_that_was_taken_away_opens_nothing_any_more(client: httpx.AsyncClient, tokens: Tokens) -> None:
    token = tokens.staff("lead", "demoted")
    assert (await Reviewer(client, token).get("/audit")).status_code == 200
    tokens.staff("viewer", "demoted")
    await asyncio.sleep(1.1)  # how long a process may go on believing what it read of somebody's standing
    answer = await Reviewer(client, token).get("/audit")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
