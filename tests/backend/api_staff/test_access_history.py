"""Who of staff opened a conversation: told to its own people, in pages, by names that say nothing elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from backend.clock import MovableClock
from backend.reviews import service
from tests.backend.api_staff.ride import Reviewer, Ride
from tests.factories.tokens import Tokens, bearer


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(autouse=True)
def short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks again after a second has opened it again: so no token ends in the meantime."""
    monkeypatch.setattr(service, "OPENING_REST_S", 1.0)


@pytest.fixture
async def ride(client: httpx.AsyncClient, tokens: Tokens) -> Ride:
    return await Ride(client, tokens).begin()


@pytest.fixture
def reviewers(client: httpx.AsyncClient, tokens: Tokens) -> tuple[Reviewer, Reviewer]:
    return tuple(Reviewer(client, tokens.staff(role, name)) for role, name in (("moderator", "ann"), ("lead", "ben")))  # type: ignore[return-value]


async def ask(client: httpx.AsyncClient, ride: Ride, token: str, **query: Any) -> httpx.Response:
    return await client.get(f"/api/trips/{ride.trip_id}/access-history", headers=bearer(token), params=query)


async def open_often(ride: Ride, reviewers: tuple[Reviewer, ...], clock: MovableClock, times: int) -> None:
    """Each in turn, long enough apart to be an opening of its own."""
    for number in range(times):
        reviewer = reviewers[number % len(reviewers)]
        assert (await reviewer.get(f"/trips/{ride.trip_id}", purpose="complaint")).status_code == 200
        clock.move(timedelta(seconds=2))


async def test_the_same_person_is_known_again_within_a_trip_and_not_in_another_one(
    client: httpx.AsyncClient, tokens: Tokens, ride: Ride, reviewers: tuple[Reviewer, Reviewer], clock: MovableClock
) -> None:
    other = await Ride(client, tokens).begin()
    for one in (ride, other):
        await open_often(one, reviewers, clock, 4)
    here, there = [(await ask(client, one, one.token("driver"))).json()["items"] for one in (ride, other)]
    assert [(item["role"], item["what"], item["purpose"]) for item in here] == [
        ("lead", "conversation", "complaint"),
        ("moderator", "conversation", "complaint"),
    ] * 2
    assert here[0]["who"] == here[2]["who"] != here[1]["who"] == here[3]["who"]
    assert {item["who"] for item in here}.isdisjoint(item["who"] for item in there)
    assert [item["at"] for item in here] == sorted((item["at"] for item in here), reverse=True)
    assert {"ann", "ben"}.isdisjoint(str(here))
    assert (await ask(client, ride, ride.token("customer"))).json()["items"] == here


async def test_a_long_history_comes_in_pages_without_gap_or_repeat(
    client: httpx.AsyncClient, ride: Ride, reviewers: tuple[Reviewer, Reviewer], clock: MovableClock
) -> None:
    await open_often(ride, reviewers, clock, 5)
    whole = (await ask(client, ride, ride.token("driver"))).json()
    assert (len(whole["items"]), whole["cursor"]) == (5, None)
    seen, cursor = list[Any](), {}
    while cursor is not None:
        page = (await ask(client, ride, ride.token("driver"), limit=2, **cursor)).json()
        assert len(page["items"]) <= 2
        seen += page["items"]
        cursor = {"cursor": page["cursor"]} if page["cursor"] else None
    assert seen == whole["items"]


async def test_it_is_nobody_elses_and_bounded(client: httpx.AsyncClient, tokens: Tokens, ride: Ride) -> None:
    for token in (tokens.driver(), tokens.customer()):
        stranger = await ask(client, ride, token)
        assert (stranger.status_code, stranger.json()["code"]) == (404, "trip_not_found")
    for query, code in (
        ({"limit": 201}, "invalid_body"),
        ({"limit": 0}, "invalid_body"),
        ({"cursor": "x"}, "invalid_cursor"),
    ):
        answer = await ask(client, ride, ride.token("driver"), **query)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_reading_it_is_no_opening(client: httpx.AsyncClient, ride: Ride) -> None:
    for _ in range(2):
        assert (await ask(client, ride, ride.token("driver"))).json() == {"items": [], "cursor": None}
