"""A traveller's record, and the accounts of staff."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.backend.api_staff.ride import WITHHELD, Reviewer, Ride
from tests.factories.tokens import Tokens

NEW = {"email": "new@example.com", "name": "New", "role": "viewer", "password": "quite a long password"}


@pytest.fixture
def ann(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("moderator", "ann"))


@pytest.fixture
def admin(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("admin", "ada"))


async def test_a_record_shows_cases_enforcement_and_trips_and_no_telephone(
    client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer
) -> None:
    ride = await Ride(client, tokens).begin()
    await ride.say("driver", WITHHELD)
    case = await ann.case_of(ride)
    await ann.claim(case)
    await ann.decide(case, "remove", person="mute")
    record = (await ann.get(f"/people/{ride.driver_id}")).json()
    assert record["user"]["name"] == "Dana"
    assert [one["id"] for one in record["cases"]] == [case["id"]]
    (muted,) = record["enforcements"]
    assert (muted["kind"], muted["running"], muted["trip_id"]) == ("mute", True, str(ride.trip_id))
    assert [(trip["trip_id"], trip["role"]) for trip in record["trips"]] == [(str(ride.trip_id), "driver")]
    assert "phone" not in str(record)
    other = (await ann.get(f"/people/{ride.customer_id}")).json()
    assert (other["cases"], other["enforcements"]) == ([], [])


async def test_nobody_is_not_found(ann: Reviewer) -> None:
    assert (await ann.get(f"/people/{uuid4()}")).json()["code"] == "not_found"


async def test_an_administrator_adds_an_account_that_can_sign_in(client: httpx.AsyncClient, admin: Reviewer) -> None:
    made = await admin.post("/accounts", NEW)
    assert made.status_code == 201
    assert "password" not in made.text
    session = await client.post("/api/staff/session", json={"email": NEW["email"], "password": NEW["password"]})
    assert session.json()["account"]["role"] == "viewer"
    twice = await admin.post("/accounts", NEW)
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    listed = (await admin.get("/accounts")).json()["items"]
    assert NEW["email"] in [item["email"] for item in listed]
    assert next(item for item in listed if item["email"] == NEW["email"])["last_sign_in_at"] is not None


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"password": "short"}, 400), ({"email": "no address"}, 400), ({"role": "king"}, 422), ({"name": ""}, 400)],
)
async def test_a_malformed_account_is_refused(admin: Reviewer, wrong: dict[str, str], status: int) -> None:
    assert (await admin.post("/accounts", NEW | {"email": "other@example.com"} | wrong)).status_code == status


async def test_accounts_page_by_cursor(admin: Reviewer) -> None:
    for number in range(3):
        await admin.post("/accounts", NEW | {"email": f"p{number}@example.com"})
    first = (await admin.get("/accounts", limit=2)).json()
    second = (await admin.get("/accounts", limit=2, cursor=first["cursor"])).json()
    emails = [item["email"] for page in (first, second) for item in page["items"]]
    assert emails == sorted(set(emails))


async def test_without_a_simulator_there_are_no_simulated_phones(ann: Reviewer) -> None:
    assert (await ann.get("/simulated-phones")).json()["code"] == "not_available"
