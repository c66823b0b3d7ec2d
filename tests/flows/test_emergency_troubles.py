"""What goes wrong between us and the telephone, and what follows from it. Nothing is lost, nobody is dialled twice."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from backend.notification.simulator.callbacks import sign
from backend.notification.simulator.people import DUTY_MANAGER, PRIMARY, SECONDARY, SHIFT
from tests.flows.emergency_fixtures import *  # noqa: F403
from tests.flows.emergency_house import House, attempts, settled


@pytest.fixture(autouse=True)
async def quiet(house: House) -> None:
    """Nobody answers unless a story says so."""
    for phone in (PRIMARY, SECONDARY, DUTY_MANAGER, SHIFT):
        await house.simulator.person(phone, call="no_answer")


def one(incident: dict[str, Any], channel: str, name: str = "Dana") -> dict[str, Any]:
    return attempts(incident, channel, name)[0]


async def test_a_refused_number_brings_the_next_step_at_once(house: House) -> None:
    await house.simulator.fault("error", resource="messages", code=21211, to=PRIMARY)
    await house.simulator.fault("error", resource="calls", code=21217, to=PRIMARY)
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(incident_id, lambda now: {a["status"] for a in attempts(now)} == {"refused"})
    assert {one_["detail"] for one_ in attempts(incident)} == {"21211", "21217"}
    await house.later(0)
    await house.until(incident_id, lambda now: attempts(now, "call", "Sergei"))
    await house.settle(incident_id)


async def test_a_text_that_cannot_be_sent_becomes_a_call_to_the_same_person(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, settled)
    await house.simulator.fault("error", resource="messages", code=21610, to=SHIFT)
    await house.later(10)
    await house.until(incident_id, lambda now: attempts(now, "call", "Tom"))
    await house.settle(incident_id)


async def test_a_text_that_turns_out_undelivered_becomes_a_call(house: House) -> None:
    await house.simulator.person(SHIFT, call="no_answer", sms="undelivered", sms_error_code=30005)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, settled)
    await house.later(10)
    incident = await house.until(incident_id, lambda now: attempts(now, "call", "Tom"))
    assert one(incident, "sms", "Tom")["detail"] == "30005"
    await house.settle(incident_id)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_provider_is_asked_again_a_little_later(house: House, status: int) -> None:
    await house.simulator.fault("html", resource="messages", status=status, retry_after_s=1, to=PRIMARY)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: one(now, "sms")["status"] == "retry")
    await house.later(1.5)
    await house.until(incident_id, lambda now: one(now, "sms")["status"] == "delivered")
    assert len(await house.simulator.heard(PRIMARY, "sms")) == 1
    await house.settle(incident_id)


@pytest.mark.parametrize("kind", ["reset", "cut", "empty"])
@pytest.mark.parametrize("left", [True, False])
async def test_an_unknown_outcome_is_looked_up_and_sent_once(house: House, kind: str, left: bool) -> None:
    await house.simulator.fault(kind, resource="messages", to=PRIMARY, after=left)
    await house.simulator.fault(kind, resource="calls", to=PRIMARY, after=left)
    incident_id = await house.pressed(await house.trip())
    await house.until(
        incident_id,
        lambda now: one(now, "sms")["status"] == "delivered" and one(now, "call")["status"] == "no_answer",
    )
    assert len(await house.simulator.heard(PRIMARY, "sms")) == 1
    assert len(await house.simulator.heard(PRIMARY, "ringing")) == 1
    await house.settle(incident_id)


async def test_a_provider_that_hangs_after_taking_the_page_is_known_by_its_callback(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.notification.twilio_client.SEND_S", 0.8)
    await house.simulator.fault("hang", resource="messages", to=PRIMARY, after=True)
    await house.simulator.fault("error", resource="messages", method="GET", code=20003)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: one(now, "sms")["status"] == "delivered" and settled(now))
    assert len(await house.simulator.heard(PRIMARY, "sms")) == 1
    await house.settle(incident_id)


async def test_an_answer_that_comes_after_the_callbacks_changes_nothing(house: House) -> None:
    await house.simulator.fault("slow", resource="messages", to=PRIMARY, seconds=0.5)
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: one(now, "sms")["status"] == "delivered")
    incident = await house.until(
        incident_id, lambda now: "sms_accepted" in [line["text_code"] for line in now["timeline"]]
    )
    assert one(incident, "sms")["status"] == "delivered"
    await house.settle(incident_id)


@pytest.mark.parametrize("trouble", ["twice", "reversed"])
async def test_doubled_and_reordered_callbacks_end_where_they_should(house: House, trouble: str) -> None:
    await house.simulator.callbacks(trouble)
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(
        incident_id,
        lambda now: one(now, "sms")["status"] == "delivered" and one(now, "call")["status"] == "no_answer",
    )
    codes = [line["text_code"] for line in incident["timeline"]]
    assert codes.count("call_no_answer") == 1
    assert codes.count("sms_delivered") == 1
    await house.settle(incident_id)


async def test_without_any_callback_the_escalation_goes_on(house: House) -> None:
    await house.simulator.callbacks("never")
    incident_id = await house.pressed(await house.trip())
    await house.until(incident_id, lambda now: settled(now))
    await house.later(10)
    await house.until(incident_id, lambda now: attempts(now, "call", "Sergei"))
    await house.settle(incident_id)


async def test_forged_callbacks_and_digits_are_refused_and_change_nothing(house: House) -> None:
    await house.simulator.callbacks("never")
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(incident_id, settled)
    call = one(incident, "call")
    fields = {"CallSid": "CA" + "0" * 32, "CallStatus": "completed", "Digits": "1"}
    for path in ("status", "gather", "voice"):
        url = f"/api/twilio/{path}/{call['id']}"
        for signature in ("", "bm90IGl0", sign("wrong-token", house.services.settings.api.public_url + url, fields)):
            answer = await house.client.post(url, data=fields, headers={"X-Twilio-Signature": signature})
            assert answer.status_code == 403
    after = await house.incident(incident_id)
    assert (after["status"], one(after, "call")["status"]) == ("triggered", call["status"])
    await house.settle(incident_id)


async def signed(house: House, path: str, fields: dict[str, str], key: str | None = None) -> Any:
    url = house.services.settings.api.public_url + path
    token = house.services.settings.twilio.auth_token
    headers = {"X-Twilio-Signature": sign(token, url, fields), "I-Twilio-Idempotency-Token": key or str(uuid4())}
    return await house.client.post(path, data=fields, headers=headers)


async def test_late_unknown_and_odd_callbacks_change_nothing(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(incident_id, lambda now: one(now, "sms")["status"] == "delivered" and settled(now))
    text_id = one(incident, "sms")["id"]
    for status in ("queued", "sent", "undelivered", "no-such-status", ""):
        answer = await signed(house, f"/api/twilio/status/{text_id}", {"MessageStatus": status})
        assert answer.status_code == 204
    assert (await signed(house, f"/api/twilio/status/{uuid4()}", {"MessageStatus": "sent"})).status_code == 204
    assert (await signed(house, f"/api/twilio/gather/{uuid4()}", {"Digits": "1"})).status_code == 404
    after = await house.incident(incident_id)
    assert one(after, "sms")["status"] == "delivered"
    assert len(after["timeline"]) == len(incident["timeline"]) or one(after, "call")["status"] != "queued"
    await house.settle(incident_id)


async def test_the_same_event_is_kept_once_whatever_comes_between(house: House) -> None:
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(incident_id, settled)
    call_id = one(incident, "call")["id"]
    for _ in range(3):
        await signed(house, f"/api/twilio/status/{call_id}", {"CallStatus": "ringing"}, key="same")
    async with house.services.db.session() as session:
        kept = await session.scalar(
            text("SELECT count(*) FROM provider_callback WHERE attempt_id = :id AND sid IS NULL"),
            {"id": call_id},
        )
    assert kept == 1
    await house.settle(incident_id)


async def test_a_wrong_digit_is_asked_again_and_the_right_one_counts(house: House) -> None:
    await house.simulator.person(PRIMARY, digits=["7", "1"], answer_after_s=1, press_after_s=2)
    incident_id = await house.pressed(await house.trip())
    incident = await house.until(incident_id, lambda now: now["status"] == "acknowledged")
    assert incident["acknowledged_by"] == "Dana Primary"
    assert await house.simulator.heard(PRIMARY, "pressed") == ["7", "1"]
    await house.settle(incident_id)
