"""Signing in, signing out, and what keeps guesses out."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from backend.accounts.service import create_staff
from backend.accounts.sign_ins import PER_PAIR, WINDOW
from backend.api.staff.session import TOKEN_LIFE_S
from backend.clock import MovableClock
from backend.pipeline.services import Services
from tests.factories.tokens import Tokens, bearer

PASSWORD = "a long night in Almaty"


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
async def account(services: Services) -> str:
    """The address of a moderator with a password."""
    email = "Mo@Example.com"
    async with services.db.session() as session:
        await create_staff(session, services.clock, email=email, name="Mo", role="moderator", password=PASSWORD)
        await session.commit()
    return email


@pytest.fixture(autouse=True)
async def no_earlier_tries(services: Services) -> None:
    await services.pool.execute("TRUNCATE sign_in_attempt")


async def _sign_in(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post("/api/staff/session", json={"email": email, "password": password})


async def test_a_right_password_gives_a_token_that_says_who_one_is(
    client: httpx.AsyncClient, account: str, clock: MovableClock
) -> None:
    answer = await _sign_in(client, account.upper(), PASSWORD)
    assert answer.status_code == 201
    session = answer.json()
    assert session["account"]["role"] == "moderator"
    me = await client.get("/api/staff/me", headers=bearer(session["token"]))
    assert me.json() == session["account"]
    clock.move(timedelta(seconds=TOKEN_LIFE_S + 10))
    expired = await client.get("/api/staff/me", headers=bearer(session["token"]))
    assert (expired.status_code, expired.json()["code"]) == (401, "token_expired")


async def test_a_wrong_password_and_an_unknown_address_answer_alike(client: httpx.AsyncClient, account: str) -> None:
    wrong = await _sign_in(client, account, "not it at all")
    unknown = await _sign_in(client, "nobody@example.com", PASSWORD)
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["code"] == "sign_in_failed"


async def test_signing_out_revokes_the_token_at_once(client: httpx.AsyncClient, account: str) -> None:
    token = (await _sign_in(client, account, PASSWORD)).json()["token"]
    assert (await client.delete("/api/staff/session", headers=bearer(token))).status_code == 204
    after = await client.get("/api/staff/me", headers=bearer(token))
    assert (after.status_code, after.json()["code"]) == (401, "token_revoked")


async def test_guesses_are_stopped_and_may_go_on_after_the_window(
    client: httpx.AsyncClient, account: str, clock: MovableClock
) -> None:
    for _ in range(PER_PAIR):
        assert (await _sign_in(client, account, "guess")).status_code == 401
    stopped = await _sign_in(client, account, PASSWORD)
    assert (stopped.status_code, stopped.json()["code"]) == (429, "rate_limited")
    assert int(stopped.headers["Retry-After"]) >= 1
    other = await _sign_in(client, "somebody.else@example.com", "guess")
    assert other.status_code == 401
    clock.move(WINDOW + timedelta(seconds=1))
    assert (await _sign_in(client, account, PASSWORD)).status_code == 201


async def test_a_sign_in_clears_the_failures_before_it(client: httpx.AsyncClient, account: str) -> None:
    for _ in range(2):
        for _ in range(PER_PAIR - 2):
            assert (await _sign_in(client, account, "guess")).status_code == 401
        assert (await _sign_in(client, account, PASSWORD)).status_code == 201


async def test_success_and_failure_are_in_the_log(client: httpx.AsyncClient, account: str, services: Services) -> None:
    await _sign_in(client, account, "guess")
    await _sign_in(client, account, PASSWORD)
    rows = await services.pool.fetch("SELECT event FROM audit_intake UNION ALL SELECT event FROM audit_entry")
    assert {"staff.signed_in", "staff.sign_in_failed"} <= {row["event"] for row in rows}


async def test_an_account_that_was_closed_cannot_sign_in_nor_use_its_token(
    client: httpx.AsyncClient, services: Services, tokens: Tokens
) -> None:
    async with services.db.session() as session:
        leaver = await create_staff(
            session, services.clock, email="leaver@example.com", name="Leaver", role="lead", password=PASSWORD
        )
        await session.commit()
    await services.pool.execute("UPDATE staff_account SET active = false WHERE id = $1", leaver.id)
    assert (await _sign_in(client, "leaver@example.com", PASSWORD)).status_code == 401
    token = tokens.service_.mint("staff", leaver.id, staff_role="lead")
    assert (await client.get("/api/staff/me", headers=bearer(token))).json()["code"] == "token_revoked"


@pytest.mark.parametrize(
    "body", [{}, {"email": "a@b.c"}, {"email": "a@b.c", "password": 1}, {"email": "x" * 400, "password": "y"}, [], "no"]
)
async def test_a_malformed_sign_in_is_refused_without_a_trace(client: httpx.AsyncClient, body: object) -> None:
    answer = await client.post("/api/staff/session", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")
    assert "Traceback" not in answer.text
