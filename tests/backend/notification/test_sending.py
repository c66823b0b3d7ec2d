"""twilio-python against the simulator over real HTTP: what is sent, what is told back, how it may fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from twilio.request_validator import RequestValidator

from backend.db import new_id
from backend.notification import Failure, Notifier, Order, SendError
from tests.backend.notification.harness import Hook, Simulator, until

PHONE = "+15005550111"


def an_order(to: str = PHONE, body: str = "Reply 48213 to take it.") -> Order:
    return Order(attempt_id=new_id(), to=to, body=body)


async def test_a_text_arrives_and_its_statuses_are_told_in_order(
    telephone: Notifier, simulator: Simulator, hook: Hook
) -> None:
    order = an_order()
    sent = await telephone.send_sms(order)
    assert sent.sid.startswith("SM")
    path = f"/api/twilio/status/{order.attempt_id}"
    await until(lambda: hook.statuses(path) == ["sent", "delivered"])
    assert await simulator.heard(PHONE, "sms") == [order.body]


async def test_callbacks_carry_twilio_s_signature_and_an_idempotency_token(
    telephone: Notifier, simulator: Simulator, hook: Hook
) -> None:
    await telephone.send_sms(an_order())
    await until(lambda: hook.told)
    path, fields, headers = hook.told[0]
    validator = RequestValidator(simulator.config.auth_token)
    assert validator.validate(hook.url + path, fields, headers["x-twilio-signature"])
    assert not validator.validate(hook.url + path, {**fields, "MessageStatus": "x"}, headers["x-twilio-signature"])
    assert headers["i-twilio-idempotency-token"]


async def test_a_person_hears_the_call_and_presses_a_digit(
    telephone: Notifier, simulator: Simulator, hook: Hook
) -> None:
    await simulator.person(PHONE, digits=["1"], answer_after_s=2, press_after_s=3)
    order = an_order()
    hook.answers[f"/api/twilio/voice/{order.attempt_id}"] = (
        '<Response><Gather numDigits="1" action="/pressed"><Say>Press 1</Say></Gather><Say>Too late</Say></Response>'
    )
    hook.answers["/pressed"] = "<Response><Say>You have it</Say><Hangup/></Response>"
    await telephone.place_call(order)
    path = f"/api/twilio/status/{order.attempt_id}"
    await until(lambda: "completed" in hook.statuses(path))
    assert hook.statuses(path) == ["initiated", "ringing", "in-progress", "completed"]
    told = [fields for where, fields, _ in hook.told if where == path]
    assert [fields["SequenceNumber"] for fields in told] == ["0", "1", "2", "3"]
    assert [fields["Digits"] for where, fields, _ in hook.told if where == "/pressed"] == ["1"]
    assert await simulator.heard(PHONE, "heard") == ["Press 1", "You have it"]


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ({"call": "no_answer"}, "no-answer"),
        ({"call": "busy"}, "busy"),
        ({"call": "fails"}, "failed"),
        ({"call": "voicemail"}, "completed"),
        ({"hangs_up_after_s": 1, "digits": ["1"]}, "completed"),
    ],
)
async def test_whoever_does_not_press_is_told_as_what_they_did(
    telephone: Notifier, simulator: Simulator, hook: Hook, script: dict[str, object], last: str
) -> None:
    await simulator.person(PHONE, **script)
    order = an_order()
    hook.answers[f"/api/twilio/voice/{order.attempt_id}"] = (
        '<Response><Gather numDigits="1" timeout="3" action="/pressed"><Say>Press 1</Say></Gather></Response>'
    )
    await telephone.place_call(order)
    path = f"/api/twilio/status/{order.attempt_id}"
    await until(lambda: last in hook.statuses(path))
    assert not [1 for where, _, _ in hook.told if where == "/pressed"]


async def test_a_phone_that_already_rings_is_busy_for_the_next_call(
    telephone: Notifier, simulator: Simulator, hook: Hook
) -> None:
    await simulator.person(PHONE, call="no_answer")
    first, second = an_order(), an_order()
    ringing = await telephone.place_call(first)
    await telephone.place_call(second)
    await until(lambda: "busy" in hook.statuses(f"/api/twilio/status/{second.attempt_id}"))
    await telephone.hang_up(ringing.sid)
    await until(lambda: "canceled" in hook.statuses(f"/api/twilio/status/{first.attempt_id}"))
    await telephone.hang_up(ringing.sid)  # a call that is over is no trouble


async def test_a_reply_by_text_reaches_the_inbound_webhook_and_its_answer_reaches_the_phone(
    telephone: Notifier, simulator: Simulator, hook: Hook
) -> None:
    await simulator.control.put("/settings", json={"sms_url": hook.url + "/sms"})
    await simulator.person(PHONE, reply="code", reply_after_s=1)
    hook.answers["/sms"] = "<Response><Message>Thank you.</Message></Response>"
    await telephone.send_sms(an_order())
    await until(lambda: [1 for where, _, _ in hook.told if where == "/sms"])
    fields = next(fields for where, fields, _ in hook.told if where == "/sms")
    assert (fields["Body"], fields["From"]) == ("48213", PHONE)
    await until(lambda: _texts(simulator))


async def _texts(simulator: Simulator) -> bool:
    return "Thank you." in await simulator.heard(PHONE, "sms")


@pytest.mark.parametrize(
    ("number", "code"),
    [("+15005550001", 21211), ("+15005550002", 21612), ("+15005550009", 21614), ("12345", 21211)],
)
async def test_a_number_that_cannot_take_texts_is_refused_for_good(telephone: Notifier, number: str, code: int) -> None:
    with pytest.raises(SendError) as caught:
        await telephone.send_sms(an_order(number))
    assert (caught.value.failure, caught.value.code) == (Failure.REFUSED, code)


@pytest.mark.parametrize(
    ("fault", "failure", "code"),
    [
        ({"kind": "error", "code": 21610}, Failure.REFUSED, 21610),
        ({"kind": "error", "code": 20003}, Failure.RETRY, 20003),
        ({"kind": "error", "code": 20429, "retry_after_s": 3}, Failure.RETRY, 20429),
        ({"kind": "error", "code": 20500, "status": 500}, Failure.REFUSED, 20500),
        ({"kind": "html", "status": 500}, Failure.RETRY, 500),
        ({"kind": "html", "status": 503, "retry_after_s": 600}, Failure.RETRY, 503),
        ({"kind": "html", "status": 502}, Failure.UNKNOWN, 502),
        ({"kind": "html", "status": 504}, Failure.UNKNOWN, 504),
        ({"kind": "reset"}, Failure.UNKNOWN, None),
        ({"kind": "cut"}, Failure.UNKNOWN, None),
        ({"kind": "empty"}, Failure.UNKNOWN, None),
    ],
)
async def test_each_trouble_is_of_its_own_class(
    telephone: Notifier, simulator: Simulator, fault: dict[str, object], failure: Failure, code: int | None
) -> None:
    await simulator.fault(**fault)  # type: ignore[arg-type]
    with pytest.raises(SendError) as caught:
        await telephone.send_sms(an_order())
    assert (caught.value.failure, caught.value.code) == (failure, code)
    assert caught.value.retry_after_s is None or caught.value.retry_after_s <= 10


async def test_a_provider_that_hangs_is_left_within_its_time_limit(
    telephone: Notifier, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.notification.twilio_client.SEND_S", 0.3)
    await simulator.fault("hang")
    with pytest.raises(SendError) as caught:
        await telephone.send_sms(an_order())
    assert caught.value.failure is Failure.UNKNOWN


async def test_a_refused_connection_is_sure_to_have_sent_nothing(hook: Hook) -> None:
    from backend.notification.twilio_client import TwilioNotifier
    from backend.settings import TwilioSettings

    settings = TwilioSettings(
        account_sid="AC1", auth_token="x", from_number="+15005550006", api_base="http://127.0.0.1:1"
    )
    notifier = TwilioNotifier(settings, hook.url)
    with pytest.raises(SendError) as caught:
        await notifier.send_sms(an_order())
    assert caught.value.failure is Failure.RETRY
    notifier.close()


async def test_what_left_before_the_answer_was_lost_is_found_in_the_list(
    telephone: Notifier, simulator: Simulator
) -> None:
    text, call = an_order(body="Reply 77777"), an_order()
    await simulator.fault("reset", resource="messages", after=True)
    await simulator.fault("cut", resource="calls", after=True)
    with pytest.raises(SendError):
        await telephone.send_sms(text)
    with pytest.raises(SendError):
        await telephone.place_call(call)
    found = await telephone.find_by_attempt("sms", text, 5.0, frozenset())
    assert found is not None
    assert found.sid.startswith("SM")
    assert await telephone.find_by_attempt("sms", text, 5.0, frozenset({found.sid})) is None
    rings = await telephone.find_by_attempt("call", call, 5.0, frozenset())
    assert rings is not None
    assert rings.sid.startswith("CA")
    assert await telephone.find_by_attempt("sms", an_order(body="Reply 12345"), 5.0, frozenset()) is None


async def test_a_wrong_token_is_told_as_twilio_tells_it(simulator: Simulator, hook: Hook) -> None:
    from backend.notification.twilio_client import TwilioNotifier
    from backend.settings import TwilioSettings

    settings = TwilioSettings(
        account_sid=simulator.config.account_sid,
        auth_token="wrong",
        from_number="+15005550006",
        api_base=simulator.url,
    )
    notifier = TwilioNotifier(settings, hook.url)
    with pytest.raises(SendError) as caught:
        await notifier.place_call(an_order())
    assert (caught.value.failure, caught.value.code) == (Failure.RETRY, 20003)
    notifier.close()


async def test_calls_leave_one_a_second_and_the_others_wait(hook: Hook) -> None:
    from backend.notification.simulator.people import COMPANY_NUMBER
    from backend.notification.twilio_client import TwilioNotifier
    from backend.settings import TwilioSettings
    from tests.backend.notification.harness import simulating

    async with simulating(speed=5.0) as slow:
        notifier = TwilioNotifier(
            TwilioSettings(
                account_sid=slow.config.account_sid,
                auth_token=slow.config.auth_token,
                from_number=COMPANY_NUMBER,
                api_base=slow.url,
            ),
            hook.url,
        )
        began = datetime.now(UTC)
        orders = [an_order(f"+1500555012{n}") for n in range(4)]
        for order in orders:
            await notifier.place_call(order)
        paths = [f"/api/twilio/status/{order.attempt_id}" for order in orders]
        await until(lambda: all("initiated" in hook.statuses(path) for path in paths))
        assert datetime.now(UTC) - began >= timedelta(seconds=3 / 5)
        notifier.close()
