"""Somebody presses for help: who is paged, who answers, who must not notice."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import websockets
from sqlalchemy import text

from backend.accounts.service import ensure_staff
from backend.escalation.models import OnCall
from backend.escalation.seeding import add_contact
from backend.notification.simulator.people import DUTY_MANAGER, PRIMARY, SECONDARY
from tests.flows.emergency_fixtures import *  # noqa: F403
from tests.flows.emergency_house import House, TripOf, attempts, settled

HELD = {"digits": [], "call": "no_answer"}


async def test_a_press_pages_the_primary_by_text_and_call_and_the_digit_1_takes_it(house: House) -> None:
    trip = await house.trip()
    answer = await house.press(
        trip,
        clientRequestId=str(uuid4()),
        location={"lat": 43.238949, "lon": 76.889709, "accuracyM": 12},
        note="he locked the doors",
    )
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "status", "triggeredAt", "clientRequestId"}
    incident = await house.until(answer.json()["id"], lambda now: now["status"] == "acknowledged")
    assert incident["acknowledged_by"] == "Dana Primary"
    assert incident["note"] == "he locked the doors"
    assert incident["reporter"]["name"] == "Aigerim"
    seen = await house.client.get(f"/api/staff/incidents/{incident['id']}", headers=house.desk("viewer"))
    assert "he locked the doors" not in seen.text
    assert {one["name"] for one in attempts(incident)} == {"Dana Primary"}
    page = (await house.simulator.heard(PRIMARY, "sms"))[0]
    for word in ("Aigerim", "rider", "white Toyota Camry", "123ABC02", "43.23895", "12 m", incident["short_code"]):
        assert word in page
    heard = await house.simulator.heard(PRIMARY, "heard")
    assert "Press 1" in heard[0]
    assert "123ABC02" in heard[0]
    assert "is yours" in heard[1]
    codes = [line["text_code"] for line in incident["timeline"]]
    assert codes.index("pressed") < codes.index("step_taken") < codes.index("acknowledged_by_dtmf")
    assert PRIMARY not in str(incident)
    await house.settle(incident["id"])


async def test_in_health_every_send_runs_in_a_worker(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: now["status"] == "acknowledged" and settled(now))
    async with house.services.db.session() as session:
        by = await session.execute(
            text("SELECT claimed_by FROM attempt WHERE incident_id = :id AND channel <> 'console'"),
            {"id": incident_id},
        )
        senders = [row.claimed_by for row in by]
    assert len(senders) == 2
    assert all(sender.startswith("worker:") for sender in senders)
    await house.settle(incident_id)


async def test_nobody_answers_so_the_next_step_comes_after_its_seconds_and_the_roster_widens(house: House) -> None:
    await house.simulator.person(PRIMARY, **HELD)
    await house.simulator.person(DUTY_MANAGER, **HELD)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: settled(now) and len(attempts(now)) == 2)
    assert await house.later(9) == 0
    assert await house.later(1.1) > 0
    incident = await house.until(incident_id, settled)
    assert attempts(incident, "call", "Sergei")
    assert {one["name"] for one in attempts(incident, "sms")} == {
        "Dana Primary",
        "Sergei Secondary",
        "Madina Duty",
        "Tom Shift",
    }
    assert not attempts(incident, "call", "Tom")
    await house.later(10)
    incident = await house.until(incident_id, lambda now: now["status"] == "acknowledged")
    assert incident["acknowledged_by"] == "Tom Shift"  # presses 5 first, then 1
    await house.settle(incident_id)


async def test_without_any_answer_it_goes_on_for_ever(house: House) -> None:
    for phone in ("+15005550101", "+15005550102", "+15005550103", "+15005550104"):
        await house.simulator.person(phone, **HELD)
    incident_id = await house.pressed(await house.trip())
    for seconds in (10, 10, 30, 30, 30, 30):
        before = len((await house.until(incident_id, settled))["attempts"])
        await house.later(seconds + 0.1)
        await house.until(incident_id, lambda now, before=before: len(now["attempts"]) > before)
    incident = await house.incident(incident_id)
    assert incident["status"] == "triggered"
    assert incident["next_due"] is not None
    await house.settle(incident_id)


async def test_a_text_with_the_code_from_a_verified_phone_takes_it_and_silences_the_others(house: House) -> None:
    await house.simulator.slow_down()
    await house.simulator.person(PRIMARY, call="no_answer", answer_after_s=1)
    incident_id = await house.pressed(await house.trip())
    ringing = await house.until(
        incident_id, lambda now: attempts(now, "call") and attempts(now, "call")[0]["status"] == "ringing"
    )
    await house.simulator.text_in(SECONDARY, f"ok {ringing['short_code']}, on it")
    incident = await house.until(incident_id, lambda now: now["status"] == "acknowledged")
    assert incident["acknowledged_by"] == "Sergei Secondary"
    await house.until(incident_id, lambda now: attempts(now, "call")[0]["status"] == "canceled")
    assert any("is yours" in said for said in await house.simulator.heard(SECONDARY, "sms"))
    await house.settle(incident_id)


async def test_whoever_comes_late_is_told_who_has_it(house: House) -> None:
    await house.simulator.person(PRIMARY, **HELD)
    incident_id = await house.pressed(await house.trip())
    code = (await house.incident(incident_id))["short_code"]
    first = await house.act(incident_id, "acknowledge", note="calling now")
    assert first.status_code == 200
    late = await house.act(incident_id, "acknowledge", sub="second")
    assert late.status_code == 409
    assert late.json()["code"] == "conflict"
    assert late.json()["holder"] == "lead"
    await house.simulator.text_in(SECONDARY, code)
    assert any("lead already has" in said for said in await house.simulator.heard(SECONDARY, "sms"))
    again = await house.act(incident_id, "acknowledge")
    assert again.status_code == 200
    incident = await house.incident(incident_id)
    assert incident["acknowledged_by"] == "lead"
    assert [line["note"] for line in incident["timeline"] if line["note"]] == ["calling now"]
    await house.settle(incident_id)


async def test_a_code_counts_from_verified_phones_only_and_a_wrong_one_takes_nothing(house: House) -> None:
    await house.simulator.person(PRIMARY, **HELD)
    incident_id = await house.pressed(await house.trip())
    code = (await house.incident(incident_id))["short_code"]
    await house.simulator.text_in("+15005550199", code)
    await house.simulator.text_in(SECONDARY, "12")
    await house.simulator.text_in(SECONDARY, str(int(code) - 1))
    assert (await house.incident(incident_id))["status"] == "triggered"
    assert await house.simulator.heard("+15005550199", "sms") == []
    assert "There is no open emergency with this code." in await house.simulator.heard(SECONDARY, "sms")
    await house.settle(incident_id)


async def test_voicemail_and_a_hang_up_are_no_answer(house: House) -> None:
    await house.simulator.person(PRIMARY, call="voicemail")
    await house.simulator.person(DUTY_MANAGER, **HELD)
    await house.simulator.person(SECONDARY, call="answers", hangs_up_after_s=2, answer_after_s=1)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: attempts(now, "call", "Dana")[0]["status"] == "completed")
    await house.later(10)
    await house.until(incident_id, lambda now: any(a["status"] == "completed" for a in attempts(now, "call", "Sergei")))
    assert (await house.incident(incident_id))["status"] == "triggered"
    await house.settle(incident_id)


async def test_an_acknowledgement_is_a_lease_that_acts_renew(house: House) -> None:
    await house.simulator.person(PRIMARY, **HELD)
    await house.simulator.person(SECONDARY, **HELD)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, settled)
    assert (await house.act(incident_id, "acknowledge")).status_code == 200
    await house.later(100)
    assert (await house.act(incident_id, "notes", note="she answers, is safe")).status_code == 201
    await house.later(100)
    assert (await house.incident(incident_id))["status"] == "acknowledged"
    await house.later(21)
    incident = await house.incident(incident_id)
    assert incident["status"] == "triggered"
    assert "acknowledgement_lapsed" in [line["text_code"] for line in incident["timeline"]]
    await house.until(incident_id, lambda now: attempts(now, "call", "Sergei"))
    await house.settle(incident_id)


async def test_the_end_needs_words_a_level_and_a_callback(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    whole = {"reason": "driver had a flat tyre", "level": 2, "callback_attempted": True}
    for missing in whole:
        body = {key: value for key, value in whole.items() if key != missing}
        assert (await house.act(incident_id, "resolve", **body)).status_code in (400, 422)
    assert (await house.act(incident_id, "resolve", **{**whole, "level": 5})).status_code in (400, 422)
    assert (await house.act(incident_id, "resolve", **{**whole, "callback_attempted": False})).status_code == 422
    done = await house.act(incident_id, "resolve", **whole)
    assert done.status_code == 200
    assert (done.json()["status"], done.json()["level"], done.json()["next_due"]) == ("resolved", 2, None)
    again = await house.act(incident_id, "resolve", **whole)
    assert again.json()["code"] == "incident_resolved"
    assert await house.later(3_600) == 0
    viewer = await house.client.post(
        f"/api/staff/incidents/{incident_id}/notes", json={"note": "x"}, headers=house.desk("viewer")
    )
    assert viewer.status_code == 403


async def test_a_repeated_press_is_the_same_incident_and_another_press_is_more_urgent(house: House) -> None:
    await house.simulator.person(PRIMARY, **HELD)
    trip, request_id = await house.trip(), str(uuid4())
    first = await house.press(trip, clientRequestId=request_id)
    repeat = await house.press(trip, clientRequestId=request_id)
    assert (first.status_code, repeat.status_code) == (201, 200)
    assert first.json() == repeat.json()
    before = await house.incident(first.json()["id"])
    second = await house.press(trip, clientRequestId=str(uuid4()))
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
    after = await house.incident(first.json()["id"])
    assert after["urgency"] == before["urgency"] + 1
    assert after["next_due"] < before["next_due"]
    await house.settle(first.json()["id"])
    closed = await house.press(trip, clientRequestId=request_id)
    assert closed.json()["id"] == first.json()["id"]
    assert closed.status_code == 200


async def test_many_presses_at_once_make_one_incident(house: House) -> None:
    trip = await house.trip()
    answers = await asyncio.gather(*(house.press(trip, clientRequestId=str(uuid4())) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    await house.settle(answers[0].json()["id"])


async def test_driver_and_rider_make_two_linked_incidents(house: House) -> None:
    trip = await house.trip()
    mine, theirs = await asyncio.gather(house.press(trip, "customer"), house.press(trip, "driver"))
    assert mine.json()["id"] != theirs.json()["id"]
    one, other = await house.incident(mine.json()["id"]), await house.incident(theirs.json()["id"])
    assert (one["linked_to"], other["linked_to"]) == (other["id"], one["id"])
    await house.settle(one["id"])
    await house.settle(other["id"])


async def test_a_covert_press_shows_nothing_to_the_other_side(house: House) -> None:
    trip = await house.trip()
    incident_id = await house.pressed(trip)
    line = "Emergency reported. Support has been notified and will contact you shortly."
    mine = (await house.client.get(f"/api/trips/{trip.id}/messages", headers=house.key(trip))).json()
    theirs = (await house.client.get(f"/api/trips/{trip.id}/messages", headers=house.key(trip, "driver"))).json()
    assert line in [item["content"] for item in mine["items"]]
    assert line not in [item["content"] for item in theirs["items"]]
    quiet = await house.trip()
    before = (await house.client.get(f"/api/trips/{quiet.id}/messages", headers=house.key(quiet, "driver"))).json()
    await house.settle(await house.pressed(quiet))
    after = (await house.client.get(f"/api/trips/{quiet.id}/messages", headers=house.key(quiet, "driver"))).json()
    assert before == after
    await house.settle(incident_id)


async def test_an_overt_press_tells_both_sides(house: House) -> None:
    trip = await house.trip()
    incident_id = await house.pressed(trip, covert=False)
    theirs = (await house.client.get(f"/api/trips/{trip.id}/messages", headers=house.key(trip, "driver"))).json()
    assert any("Emergency reported" in item["content"] for item in theirs["items"])
    await house.settle(incident_id)


async def test_only_a_participant_can_press_until_a_day_after_the_end(house: House) -> None:
    trip = await house.trip()
    stranger = await house.trip()
    foreign = await house.client.post(f"/api/trips/{trip.id}/emergency", json={}, headers=house.key(stranger))
    assert (foreign.status_code, foreign.json()["code"]) == (404, "trip_not_found")
    service = {"Authorization": f"Bearer {house.tokens.service()}"}
    ended = await house.client.post(
        f"/api/platform/trips/{trip.id}/status", json={"status": "completed"}, headers=service
    )
    assert ended.is_success
    house.clock.move(timedelta(hours=23))
    await house.settle(await house.pressed(trip))
    house.clock.move(timedelta(hours=2))
    late = await house.press(trip)
    assert (late.status_code, late.json()["code"]) == (409, "chat_closed")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"location": {"lat": 900}, "note": "help"}', b"x" * 2_000_000])
async def test_a_broken_body_is_still_a_press(house: House, body: bytes) -> None:
    trip = await house.trip()
    answer = await house.client.post(f"/api/trips/{trip.id}/emergency", content=body, headers=house.key(trip))
    assert answer.status_code == 201
    incident = await house.incident(answer.json()["id"])
    assert incident["note"] == ("help" if b"help" in body else None)
    await house.settle(incident["id"])


async def frames(house: House, trip: TripOf, role: str, while_this: Awaitable[object]) -> list[dict[str, Any]]:
    """What a socket of one side hears while something happens, and half a second after."""
    url = house.services.settings.api.public_url.replace("http", "ws") + f"/ws/trips/{trip.id}/chat"
    token = house.key(trip, role)["Authorization"].removeprefix("Bearer ")
    heard: list[dict[str, Any]] = []
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"event": "auth", "data": {"token": token}}))
        while (frame := json.loads(await socket.recv()))["event"] != "messages-history":
            assert frame["event"] != "error", frame
        await while_this
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                async for raw in socket:
                    heard.append(json.loads(raw))
    return heard


async def test_the_socket_of_the_other_side_hears_nothing_of_a_covert_press(house: House) -> None:
    trip = await house.trip()
    theirs = await frames(house, trip, "driver", house.pressed(trip))
    assert [frame["event"] for frame in theirs if frame["event"] not in ("user-online", "user-offline")] == []
    other = await house.trip()
    mine = await frames(house, other, "customer", house.pressed(other))
    declared = [frame["data"] for frame in mine if frame["event"] == "emergency-declared"]
    assert [(one["tripId"], one["reporterId"]) for one in declared] == [(other.id, other.customer)]
    assert any("Emergency reported" in str(frame["data"].get("content")) for frame in mine)


async def test_a_suspended_person_in_danger_is_heard(house: House) -> None:
    trip = await house.trip()
    service = {"Authorization": f"Bearer {house.tokens.service()}"}
    suspended = await house.client.post(
        f"/api/platform/users/{trip.customer}/suspension",
        json={"until": (house.clock.now() + timedelta(days=1)).isoformat()},
        headers=service,
    )
    assert suspended.is_success, suspended.text
    refused = await house.client.post(
        f"/api/trips/{trip.id}/messages", json={"content": "hello"}, headers=house.key(trip)
    )
    assert refused.status_code == 403
    await house.settle(await house.pressed(trip))


async def test_the_market_s_policy_decides_when_the_press_does_not_say(house: House) -> None:
    async with house.services.db.session() as session:
        await session.execute(text("UPDATE escalation_policy SET overt = true WHERE market = 'default'"))
        await session.commit()
    overt, covert = await house.trip(), await house.trip()
    ids = [await house.pressed(overt), await house.pressed(covert, covert=True)]
    for trip, seen in ((overt, True), (covert, False)):
        theirs = await house.client.get(f"/api/trips/{trip.id}/messages", headers=house.key(trip, "driver"))
        assert ("Emergency reported" in theirs.text) is seen
    async with house.services.db.session() as session:
        await session.execute(text("UPDATE escalation_policy SET overt = false WHERE market = 'default'"))
        await session.commit()
    for incident_id in ids:
        await house.settle(incident_id)


async def test_an_unverified_phone_is_neither_paged_nor_heard_and_a_russian_one_is_paged_in_russian(
    house: House,
) -> None:
    keyring, now = house.services.keyring, house.clock.now()
    async with house.services.db.session() as session:
        account = await ensure_staff(session, house.clock, uuid4(), "new responder", "moderator")
        await add_contact(session, keyring, account.id, "+15005550177", now=now, verified=False)
        await add_contact(session, keyring, account.id, "+15005550178", now=now, verified=True, language="ru")
        session.add(OnCall(market="default", account_id=account.id, role="primary", starts_at=now, ends_at=None))
        await session.commit()
    await house.simulator.person(PRIMARY, **HELD)
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(incident_id, lambda now: attempts(now, "sms", "new") and settled(now))
    await house.simulator.text_in("+15005550177", incident["short_code"])
    assert (await house.incident(incident_id))["status"] == "triggered"
    assert await house.simulator.heard("+15005550177", "sms") == []
    await house.simulator.text_in("+15005550178", incident["short_code"])
    assert (await house.incident(incident_id))["status"] == "acknowledged"
    heard = await house.simulator.heard("+15005550178", "sms")
    assert any("просит о помощи" in said for said in heard)
    assert any("ваша" in said for said in heard)
    await house.settle(incident_id)


async def test_the_end_silences_phones_that_still_ring(house: House) -> None:
    await house.simulator.slow_down()
    await house.simulator.person(PRIMARY, **HELD)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: attempts(now, "call")[0]["status"] == "ringing")
    await house.settle(incident_id)
    await house.until(incident_id, lambda now: attempts(now, "call")[0]["status"] == "canceled")
