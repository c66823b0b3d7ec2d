"""The desk, from a withheld message to its effect on both phones."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from backend.clock import MovableClock
from tests.backend.api_staff.ride import DANGEROUS, FLAGGED, HARMLESS, WITHHELD, Reviewer, Ride
from tests.factories.tokens import Tokens, bearer


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    """Time is moved."""
    return MovableClock()


@pytest.fixture
async def ride(client: httpx.AsyncClient, tokens: Tokens) -> Ride:
    """A trip that has begun."""
    return await Ride(client, tokens).begin()


@pytest.fixture
def ann(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    """A moderator."""
    return Reviewer(client, tokens.staff("moderator", "ann"))


@pytest.fixture
def bob(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    """Another moderator."""
    return Reviewer(client, tokens.staff("moderator", "bob"))


@pytest.fixture
def lead(client: httpx.AsyncClient, tokens: Tokens) -> Reviewer:
    """A lead."""
    return Reviewer(client, tokens.staff("lead", "lea"))


async def _claimed(reviewer: Reviewer, ride: Ride) -> dict[str, Any]:
    case = await reviewer.case_of(ride)
    await reviewer.claim(case)
    return case


async def test_a_withheld_message_reaches_the_rider_when_it_is_released(ride: Ride, ann: Reviewer) -> None:
    async with ride.line("customer") as phone:
        sent = await ride.say("driver", WITHHELD)
        assert sent["status"] == "quarantined"
        assert await phone.hears_nothing_of("new-message", "message-updated")
        opened = await ann.claim(await ann.case_of(ride))
        shown = next(message for message in opened["conversation"] if message["id"] == sent["id"])
        assert (shown["content"], shown["status"]) == (WITHHELD, "quarantined")
        assert shown["verdict"]["outcome"] == "quarantine"
        assert shown["verdict"]["signals"][0]["code"] == "threat"
        decided = await ann.decide(opened["case"], "release")
        assert decided.status_code == 201
        assert decided.json()["case"]["state"] == "closed"
        heard = await phone.hear("message-updated")
    assert (heard["id"], heard["content"], heard["status"]) == (sent["id"], WITHHELD, "delivered")
    assert [message["content"] for message in await ride.reads("customer")] == [WITHHELD]


async def test_a_withheld_message_that_is_removed_never_reaches_the_rider(ride: Ride, ann: Reviewer) -> None:
    async with ride.line("customer") as customer, ride.line("driver") as driver:
        sent = await ride.say("driver", WITHHELD)
        assert (await ann.decide(await _claimed(ann, ride), "remove")).status_code == 201
        assert (await driver.hear("message-updated"))["status"] == "removed"
        assert await customer.hears_nothing_of("new-message", "message-updated")
    assert await ride.reads("customer") == []
    (mine,) = await ride.reads("driver")
    assert (mine["id"], mine["status"]) == (sent["id"], "removed")


async def test_a_masked_message_is_starred_out_for_the_reader_and_whole_for_staff(ride: Ride, ann: Reviewer) -> None:
    async with ride.line("customer") as phone:
        await ride.say("driver", WITHHELD)
        case = await _claimed(ann, ride)
        assert (await ann.decide(case, "mask")).status_code == 201
        heard = await phone.hear("message-updated")
    assert heard["status"] == "masked"
    assert "*" in heard["content"]
    assert heard["content"] != WITHHELD
    (read,) = await ride.reads("customer")
    assert read["content"] == heard["content"]
    opened = (await ann.get(f"/cases/{case['id']}")).json()
    shown = next(message for message in opened["conversation"] if message["id"] == read["id"])
    assert (shown["content"], shown["masked_content"]) == (WITHHELD, heard["content"])


async def test_a_delivered_message_can_be_taken_away_again(ride: Ride, ann: Reviewer) -> None:
    async with ride.line("customer") as phone:
        sent = await ride.say("driver", FLAGGED)
        assert sent["status"] == "delivered"
        assert (await phone.hear("new-message"))["content"] == FLAGGED
        assert (await ann.decide(await _claimed(ann, ride), "remove")).status_code == 201
        heard = await phone.hear("message-updated")
    assert (heard["id"], heard["status"], heard["content"]) == (sent["id"], "removed", None)


async def test_a_message_that_was_read_stays_read_when_it_is_taken_away(ride: Ride, ann: Reviewer) -> None:
    async with ride.line("customer") as reader, ride.line("driver") as sender:
        await ride.say("driver", FLAGGED)
        await reader.tell("read", seq=(await reader.hear("new-message"))["seq"])
        await sender.hear("message-read")
        assert (await ann.decide(await _claimed(ann, ride), "remove")).status_code == 201
        heard = await sender.hear("message-updated")
    assert (heard["status"], heard["is_read"]) == ("removed", True)
    assert heard["read_at"] is not None


async def test_a_threat_is_an_urgent_case_that_is_due_within_a_minute(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", DANGEROUS)
    case = await ann.case_of(ride)
    assert (case["kind"], case["severity"]) == ("urgent", "critical")
    assert (await ann.get("/live")).json()["review"]["urgent"] >= 1
    assert (await ann.decide(await _claimed(ann, ride), "remove")).status_code == 201


async def test_a_harmless_message_opens_no_case(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", HARMLESS)
    assert (await ann.get("/cases", trip_id=str(ride.trip_id))).json()["items"] == []


async def test_a_warning_is_read_by_the_warned_person_only(ride: Ride, ann: Reviewer) -> None:
    before = len(await ride.system_lines("driver")), len(await ride.system_lines("customer"))
    async with ride.line("driver") as driver, ride.line("customer") as customer:
        await ride.say("driver", FLAGGED)
        await customer.hear("new-message")
        assert (await ann.decide(await _claimed(ann, ride), "release", person="warn")).status_code == 201
        while (line := await driver.hear("new-message"))["sender_type"] != "system":
            pass
        assert "respectful" in line["content"]
        assert await customer.hears_nothing_of("new-message")
    after = len(await ride.system_lines("driver")), len(await ride.system_lines("customer"))
    assert (after[0] - before[0], after[1] - before[1]) == (1, 0)


async def test_a_mute_refuses_sends_in_this_trip_and_ends_by_itself(
    ride: Ride, ann: Reviewer, clock: MovableClock
) -> None:
    await ride.say("driver", FLAGGED)
    case = await _claimed(ann, ride)
    assert (await ann.decide(case, "remove", person="mute", duration_s=600)).status_code == 201
    refused = await ride.try_to_say("driver", HARMLESS)
    assert (refused.status_code, refused.json()["code"]) == (403, "muted")
    assert (await ride.try_to_say("customer", HARMLESS)).status_code == 201
    clock.move(timedelta(seconds=601))
    assert (await ride.try_to_say("driver", HARMLESS)).status_code == 201


async def test_a_suspension_closes_every_chat_of_that_person_and_a_reversal_ends_it(
    ride: Ride, ann: Reviewer, lead: Reviewer
) -> None:
    await ride.say("driver", WITHHELD)
    case = await _claimed(ann, ride)
    assert (await ann.decide(case, "remove", person="suspend")).status_code == 201
    refused = await ride.try_to_say("driver", HARMLESS)
    assert (refused.status_code, refused.json()["code"]) == (403, "suspended")
    person = (await lead.get(f"/people/{ride.driver_id}")).json()
    assert person["user"]["suspended_until"] is not None
    assert [one["kind"] for one in person["enforcements"]] == ["suspend"]
    undone = await lead.post(f"/cases/{case['id']}/reversal", {"rationale": "a song title"})
    assert undone.status_code == 201
    assert undone.json()["case"]["state"] == "open"
    again = await lead.post(f"/cases/{case['id']}/reversal", {"rationale": "twice"})
    assert (again.status_code, again.json()["code"]) == (409, "case_closed")
    await asyncio.sleep(1.1)  # how long a process may go on believing what it read of somebody's standing
    assert (await ride.try_to_say("driver", HARMLESS)).status_code == 201


async def test_a_suspended_person_loses_the_socket_and_keeps_the_emergency_button(
    client: httpx.AsyncClient, ride: Ride, ann: Reviewer
) -> None:
    async with ride.line("driver") as phone:
        await ride.say("driver", WITHHELD)
        case = await _claimed(ann, ride)
        assert (await ann.decide(case, "remove", person="suspend", duration_s=60)).status_code == 201
        assert await phone.is_closed_within(2.5)
    pressed = await client.post(
        f"/api/trips/{ride.trip_id}/emergency",
        json={"clientRequestId": str(uuid4()), "covert": True},
        headers=bearer(ride.token("driver")),
    )
    assert pressed.status_code == 201, pressed.text
    state = (await ann.get("/live")).json()
    assert state["incidents"]["unacknowledged"] == 1
    assert state["incidents"]["newest"]["trip_id"] == str(ride.trip_id)
    listed = (await ann.get("/live-trips")).json()["items"]
    assert listed[0]["trip_id"] == str(ride.trip_id)
    assert listed[0]["risk_reasons"][0] == "incident_open"


@pytest.mark.parametrize("text", [WITHHELD, FLAGGED])
async def test_a_removal_that_was_wrong_is_undone_and_the_rider_reads_the_message(
    ride: Ride, ann: Reviewer, text: str
) -> None:
    async with ride.line("customer") as phone:
        sent = await ride.say("driver", text)
        case = await _claimed(ann, ride)
        await ann.decide(case, "remove")
        undone = await ann.post(f"/cases/{case['id']}/reversal", {"rationale": "wrong button"})
        again = undone.json()["case"]
        assert again["message_ids"] == [sent["id"]]
        await ann.claim(again)
        assert (await ann.decide(again, "release")).status_code == 201
        while (heard := await phone.hear("message-updated"))["status"] != "delivered":
            pass
    assert (heard["id"], heard["content"]) == (sent["id"], text)
    assert [message["content"] for message in await ride.reads("customer")] == [text]


async def test_no_decision_shows_a_covert_call_for_help_to_the_other_side(
    client: httpx.AsyncClient, ride: Ride, ann: Reviewer
) -> None:
    sent = await client.post(
        f"/api/trips/{ride.trip_id}/messages/quick",
        json={"templateKey": "emergency_help", "clientMessageId": str(uuid4())},
        headers=bearer(ride.token("driver")),
    )
    assert sent.status_code == 201, sent.text
    assert await ride.reads("customer") == []
    await ride.say("driver", FLAGGED)
    case = await ann.case_of(ride)
    await ann.claim(case)
    masked = {"message_id": sent.json()["id"], "outcome": "mask"}
    async with ride.line("customer") as phone:
        assert (await ann.decide(case, messages=[masked])).status_code == 201
        assert await phone.hears_nothing_of("new-message", "message-updated")
    assert [message["content"] for message in await ride.reads("customer")] == [FLAGGED]


async def test_nobody_decides_a_case_twice(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", WITHHELD)
    case = await _claimed(ann, ride)
    answers = await asyncio.gather(ann.decide(case, "release"), ann.decide(case, "remove"))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    late = await ann.decide(case, "release")
    assert (late.status_code, late.json()["code"]) == (409, "case_closed")


async def test_a_decision_needs_a_claim_of_ones_own(ride: Ride, ann: Reviewer, bob: Reviewer) -> None:
    await ride.say("driver", WITHHELD)
    case = await ann.case_of(ride)
    unclaimed = await ann.decide(case, "release")
    assert (unclaimed.status_code, unclaimed.json()["code"]) == (409, "case_not_claimed")
    await bob.claim(case)
    taken = await ann.decide(case, "release")
    assert (taken.status_code, taken.json()["code"]) == (409, "case_taken")
    assert (await ann.post(f"/cases/{case['id']}/claim")).json()["code"] == "case_taken"


async def test_a_claim_that_lapsed_goes_to_another_and_the_first_can_no_longer_decide(
    ride: Ride, ann: Reviewer, bob: Reviewer, clock: MovableClock
) -> None:
    await ride.say("driver", WITHHELD)
    case = await _claimed(ann, ride)
    clock.move(timedelta(seconds=121))
    await bob.claim(case)
    assert (await ann.decide(case, "release")).json()["code"] == "case_taken"
    assert (await bob.decide(case, "release")).status_code == 201


async def test_two_reviewers_who_claim_at_once_get_different_cases(
    client: httpx.AsyncClient, tokens: Tokens, ann: Reviewer, bob: Reviewer
) -> None:
    rides = [await Ride(client, tokens).begin() for _ in range(2)]
    for one in rides:
        await one.say("driver", DANGEROUS)
    first, second = await asyncio.gather(ann.post("/cases/claim"), bob.post("/cases/claim"))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["case"]["id"] != second.json()["case"]["id"]
    for reviewer, claimed in ((ann, first), (bob, second)):
        assert (await reviewer.decide(claimed.json()["case"], "remove")).status_code == 201


async def test_a_serious_decision_without_a_rationale_is_refused(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", WITHHELD)
    case = await _claimed(ann, ride)
    for empty in (None, "  "):
        refused = await ann.decide(case, "release", rationale=empty)
        assert (refused.status_code, refused.json()["code"]) == (422, "rationale_required")
    assert (await ann.decide(case, "release")).status_code == 201


async def test_a_message_that_joined_after_the_look_becomes_a_case_of_its_own(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", WITHHELD)
    seen = await _claimed(ann, ride)
    late = await ride.say("driver", WITHHELD + ", you know")
    assert late["status"] == "quarantined"
    assert (await ann.decide(seen, "release")).status_code == 201
    rest = await ann.case_of(ride)
    assert rest["id"] != seen["id"]
    assert rest["message_ids"] == [late["id"]]
    assert (await ann.decide(await _claimed(ann, ride), "release")).status_code == 201


async def test_what_the_reviewer_saw_is_kept_without_a_word_of_it(ride: Ride, ann: Reviewer, services: Any) -> None:
    sent = await ride.say("driver", WITHHELD)
    case = await _claimed(ann, ride)
    await ann.decide(case, "release", rationale="unmistakably a joke")
    (row,) = await services.pool.fetch("SELECT * FROM case_decision WHERE case_id = $1::text::uuid", case["id"])
    assert sent["id"] in row["seen"]
    assert '"quarantined"' in row["seen"]
    assert len(row["seen_hash"]) == 64
    assert WITHHELD not in str(dict(row))
    assert b"joke" not in row["rationale_sealed"]


async def test_a_decision_on_a_message_of_another_trip_is_refused(
    client: httpx.AsyncClient, tokens: Tokens, ride: Ride, ann: Reviewer
) -> None:
    other = await Ride(client, tokens).begin()
    foreign = await other.say("driver", HARMLESS)
    await ride.say("driver", WITHHELD)
    case = await _claimed(ann, ride)
    answer = await ann.decide(case, messages=[{"message_id": foreign["id"], "outcome": "remove"}])
    assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")
    assert [message["content"] for message in await other.reads("customer")] == [HARMLESS]
    stranger = await ann.decide(case, "release", person="suspend", person_id=str(other.driver_id))
    assert stranger.json()["code"] == "invalid_value"
    assert (await ann.decide(case, "release")).status_code == 201


async def test_looking_at_a_case_does_not_hide_it_from_the_queue(ride: Ride, ann: Reviewer, bob: Reviewer) -> None:
    await ride.say("driver", DANGEROUS)
    case = await ann.case_of(ride)
    looks = [ann.get(f"/cases/{case['id']}") for _ in range(4)]
    claimed, *seen = await asyncio.gather(bob.post("/cases/claim"), *looks)
    assert claimed.status_code == 200
    assert {answer.status_code for answer in seen} == {200}
    assert (await bob.decide(claimed.json()["case"], "remove")).status_code == 201


async def test_sends_and_decisions_at_the_same_moment_never_lock_each_other_out(ride: Ride, ann: Reviewer) -> None:
    await ride.say("driver", WITHHELD)
    for _ in range(3):
        case = await _claimed(ann, ride)
        sends = [ride.try_to_say(role, f"{WITHHELD}, {n}") for n in range(3) for role in ("driver", "customer")]
        decided, *sent = await asyncio.gather(ann.decide(case, "release"), *sends)
        assert decided.status_code == 201
        assert {answer.status_code for answer in sent} <= {201, 422}
    while items := (await ann.get("/cases", trip_id=str(ride.trip_id))).json()["items"]:
        await ann.claim(items[0])
        assert (await ann.decide(items[0], "release")).status_code == 201
    texts = [message["content"] for message in await ride.reads("customer")]
    assert WITHHELD in texts
    assert {message["status"] for message in await ride.reads("customer")} == {"delivered"}
