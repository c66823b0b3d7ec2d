"""Quick messages from draft to phone and off it again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.backend.api_staff.ride import DANGEROUS, Reviewer, Ride
from tests.factories.tokens import Tokens, bearer

DRAFT = {
    "template_key": "driver_at_gate",
    "language_code": "en",
    "audience": "driver",
    "category": "pickup",
    "message_text": "I am waiting at the gate",
}


@pytest.fixture
def ann(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("moderator", "ann"))


@pytest.fixture
def lead(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    return Reviewer(client, tokens.staff("lead", "lea"))


async def _on_phones(client: httpx.AsyncClient, tokens: Tokens, key: str) -> list[str]:
    answer = await client.get("/api/messages/templates", params={"lang": "en"}, headers=bearer(tokens.driver()))
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"] if isinstance(answer.json(), dict) else answer.json()
    return [item.get("message_text") or item.get("messageText") for item in items if key in str(item)]


async def _draft(ann: Reviewer, **changes: Any) -> dict[str, Any]:
    answer = await ann.post("/templates", DRAFT | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_draft_reaches_no_phone_until_a_lead_publishes_it_and_none_after_it_was_retired(
    client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer, lead: Reviewer
) -> None:
    made = await _draft(ann)
    assert (made["state"], made["is_active"], made["version"]) == ("draft", False, 1)
    assert await _on_phones(client, tokens, "driver_at_gate") == []
    assert (await ann.post(f"/templates/{made['id']}/publish")).status_code == 403
    assert (await lead.post(f"/templates/{made['id']}/publish")).json()["state"] == "published"
    assert await _on_phones(client, tokens, "driver_at_gate") == [DRAFT["message_text"]]
    assert (await lead.post(f"/templates/{made['id']}/retire")).json()["state"] == "retired"
    assert await _on_phones(client, tokens, "driver_at_gate") == []


async def test_a_change_of_a_published_one_is_a_new_draft_and_replaces_it_when_published(
    client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer, lead: Reviewer
) -> None:
    first = await _draft(ann, template_key="driver_at_door", reviewed_by_native=True)
    await lead.post(f"/templates/{first['id']}/publish")
    second = (await ann.put(f"/templates/{first['id']}", {"message_text": "I am at your door"})).json()
    assert second["id"] != first["id"]
    assert (second["state"], second["version"], second["reviewed_by_native"]) == ("draft", 2, False)
    assert await _on_phones(client, tokens, "driver_at_door") == [DRAFT["message_text"]]
    await lead.post(f"/templates/{second['id']}/publish")
    assert await _on_phones(client, tokens, "driver_at_door") == ["I am at your door"]
    states = {
        item["version"]: item["state"]
        for item in (await ann.get("/templates", lang="en")).json()["items"]
        if item["template_key"] == "driver_at_door"
    }
    assert states == {1: "retired", 2: "published"}


async def test_a_published_change_is_what_a_driver_sends(
    client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer, lead: Reviewer
) -> None:
    ride = await Ride(client, tokens).begin()
    made = await _draft(ann, template_key="driver_blue_car", message_text="Look for the blue car")
    await lead.post(f"/templates/{made['id']}/publish")
    answer = await client.post(
        f"/api/trips/{ride.trip_id}/messages/quick",
        json={"templateKey": "driver_blue_car"},
        headers=bearer(ride.token("driver")),
    )
    assert answer.status_code == 201, answer.text
    assert [message["content"] for message in await ride.reads("customer")] == ["Look for the blue car"]


async def test_the_pipeline_that_judges_travellers_judges_templates(ann: Reviewer, lead: Reviewer) -> None:
    made = await _draft(ann, template_key="bad_idea", message_text=DANGEROUS)
    refused = await lead.post(f"/templates/{made['id']}/publish")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_value")
    assert "threat" in refused.json()["signals"]


async def test_the_one_that_calls_for_help_is_never_retired(ann: Reviewer, lead: Reviewer) -> None:
    items = (await ann.get("/templates", lang="en", state="published")).json()["items"]
    helping = next(item for item in items if item["template_key"] == "emergency_help")
    assert (await lead.post(f"/templates/{helping['id']}/retire")).status_code == 422


async def test_filters_and_pages(ann: Reviewer) -> None:
    everything = (await ann.get("/templates")).json()["items"]
    english = (await ann.get("/templates", lang="en")).json()["items"]
    assert 0 < len(english) < len(everything)
    assert {item["language_code"] for item in english} == {"en"}
    riders = (await ann.get("/templates", audience="customer")).json()["items"]
    assert {item["audience"] for item in riders} <= {"customer", "both"}
    seen: list[str] = []
    cursor = None
    while True:
        page = (await ann.get("/templates", limit=20, **({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(item["id"] for item in everything)


@pytest.mark.parametrize(
    "wrong",
    [
        {"template_key": "Bad Key"},
        {"message_text": ""},
        {"message_text": "x" * 501},
        {"audience": "everybody"},
        {"language_code": "english"},
        {"unknown": 1},
    ],
)
async def test_a_malformed_draft_is_refused(ann: Reviewer, wrong: dict[str, Any]) -> None:
    answer = await ann.post("/templates", DRAFT | wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")


async def test_an_unknown_template_is_said_to_be_unknown(ann: Reviewer, lead: Reviewer) -> None:
    assert (await ann.put(f"/templates/{uuid4()}", {"category": "pickup"})).json()["code"] == "template_unknown"
    assert (await lead.post(f"/templates/{uuid4()}/publish")).status_code == 404
