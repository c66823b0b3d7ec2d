"""Live trips, and opening a conversation: for a purpose, on the record, seen by those whose words they are."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from backend.clock import MovableClock
from backend.reviews.service import OPENING_REST_S
from tests.backend.api_staff.ride import DANGEROUS, HARMLESS, WITHHELD, Reviewer, Ride
from tests.factories.tokens import Tokens, bearer


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def ride(client: httpx.AsyncClient, tokens: Tokens) -> Ride:
    return await Ride(client, tokens).begin()


@pytest.fixture
def ann(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("moderator", "ann"))


async def _openings(client: httpx.AsyncClient, ride: Ride, role: str) -> list[dict[str, str]]:
    answer = await client.get(f"/api/trips/{ride.trip_id}/access-history", headers=bearer(ride.token(role)))
    assert answer.status_code == 200
    items: list[dict[str, str]] = answer.json()["items"]
    return items


async def test_the_risky_trip_is_listed_above_the_quiet_one(
    client: httpx.AsyncClient, tokens: Tokens, ride: Ride, ann: Reviewer
) -> None:
    quiet = await Ride(client, tokens).begin()
    await quiet.say("driver", HARMLESS)
    await ride.say("driver", DANGEROUS)
    page = (await ann.get("/live-trips")).json()
    order = [trip["trip_id"] for trip in page["items"]]
    assert order.index(str(ride.trip_id)) < order.index(str(quiet.trip_id))
    risky = next(trip for trip in page["items"] if trip["trip_id"] == str(ride.trip_id))
    assert {"case_critical", "withheld_messages"} <= set(risky["risk_reasons"])
    assert (risky["withheld"], risky["messages"], risky["open_cases"]) == (1, 1, 1)
    assert risky["driver"]["name"] == "Dana"
    assert DANGEROUS not in str(page)


async def test_live_trips_page_by_cursor(client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer) -> None:
    for _ in range(3):
        await Ride(client, tokens).begin()
    first = (await ann.get("/live-trips", limit=2, sort="started")).json()
    second = (await ann.get("/live-trips", limit=2, sort="started", cursor=first["cursor"])).json()
    assert len(first["items"]) == 2
    assert not {trip["trip_id"] for trip in first["items"]} & {trip["trip_id"] for trip in second["items"]}


@pytest.mark.parametrize("cursor", ["nonsense", "W10", "eyJhIjoxfQ", "///", "x" * 500])
async def test_a_cursor_that_no_list_gave_out_is_refused(ann: Reviewer, cursor: str) -> None:
    for path in ("/live-trips", "/cases", "/templates"):
        answer = await ann.get(path, cursor=cursor)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), path


async def test_a_conversation_opens_for_a_purpose_only(ride: Ride, ann: Reviewer) -> None:
    for path in (f"/trips/{ride.trip_id}", f"/trips/{ride.trip_id}/messages"):
        answer = await ann.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "purpose_required")
        assert (await ann.get(path, purpose="curiosity")).status_code == 400


async def test_whoever_opens_a_conversation_is_seen_by_its_participants(
    client: httpx.AsyncClient, ride: Ride, ann: Reviewer, clock: MovableClock
) -> None:
    assert await _openings(client, ride, "driver") == []
    for _ in range(3):
        assert (await ann.get(f"/trips/{ride.trip_id}", purpose="complaint")).status_code == 200
        assert (await ann.get(f"/trips/{ride.trip_id}/messages", purpose="complaint", after_seq=0)).status_code == 200
    for role in ("driver", "customer"):
        (seen,) = await _openings(client, ride, role)
        assert (seen["role"], seen["purpose"]) == ("moderator", "complaint")
        assert "ann" not in str(seen)
    await ann.get(f"/trips/{ride.trip_id}", purpose="emergency")
    clock.move(timedelta(seconds=OPENING_REST_S + 1))
    await ann.get(f"/trips/{ride.trip_id}", purpose="complaint")
    assert [seen["purpose"] for seen in await _openings(client, ride, "driver")] == [
        "complaint",
        "emergency",
        "complaint",
    ]


async def test_staff_read_what_was_written_in_order_with_its_verdict_and_follow_it(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", HARMLESS)
    await ride.say("customer", WITHHELD)
    opened = (await ann.get(f"/trips/{ride.trip_id}", purpose="safety_review")).json()
    written = [(m["content"], m["status"]) for m in opened["messages"] if m["sender_type"] != "system"]
    assert written == [(HARMLESS, "delivered"), (WITHHELD, "quarantined")]
    assert [m["verdict"]["outcome"] for m in opened["messages"] if m["sender_type"] != "system"] == [
        "allow",
        "quarantine",
    ]
    assert opened["trip"]["customer"]["name"] == "Kim"
    await ride.say("driver", HARMLESS)
    more = (
        await ann.get(f"/trips/{ride.trip_id}/messages", purpose="safety_review", after_seq=opened["last_seq"])
    ).json()
    assert [message["content"] for message in more["items"]] == [HARMLESS]
    assert more["last_seq"] > opened["last_seq"]
    again = await ann.get(f"/trips/{ride.trip_id}/messages", purpose="safety_review", after_seq=more["last_seq"])
    assert again.json()["items"] == []


async def test_a_decision_shows_in_the_followed_conversation(ride: Ride, ann: Reviewer) -> None:
    await ride.say("customer", WITHHELD)
    opened = (await ann.get(f"/trips/{ride.trip_id}", purpose="safety_review")).json()
    case = await ann.case_of(ride)
    await ann.claim(case)
    await ann.decide(case, "remove")
    more = (
        await ann.get(f"/trips/{ride.trip_id}/messages", purpose="safety_review", after_seq=opened["last_seq"])
    ).json()
    assert [message["status"] for message in more["items"]] == ["removed"]


async def test_an_unknown_trip_is_not_found(ann: Reviewer) -> None:
    answer = await ann.get(f"/trips/{uuid4()}", purpose="training")
    assert (answer.status_code, answer.json()["code"]) == (404, "trip_not_found")
    assert (await ann.get("/trips/not-a-uuid", purpose="training")).status_code == 404


async def test_openings_are_in_the_log(ride: Ride, ann: Reviewer, services: object) -> None:
    await ann.get(f"/trips/{ride.trip_id}", purpose="dispute")
    rows = await services.pool.fetch("SELECT leaf FROM audit_intake WHERE event = 'trip.opened'")  # type: ignore[attr-defined]
    assert any(b'"dispute"' in row["leaf"] for row in rows)
