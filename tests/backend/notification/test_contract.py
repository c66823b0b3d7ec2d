"""Requests of the real library and answers of the simulator against Twilio's own OpenAPI file."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

from backend.db import new_id
from backend.notification import Order
from backend.notification.simulator.people import COMPANY_NUMBER
from backend.notification.twilio_client import TwilioNotifier
from backend.settings import TwilioSettings
from tests.backend.notification.harness import Hook, Simulator, until

FILE = Path(__file__).parents[3].parent / "shared/twilio/twilio_api_v2010.json"
NEEDED = (
    "/2010-04-01/Accounts/{AccountSid}/Messages.json",
    "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json",
    "/2010-04-01/Accounts/{AccountSid}/Calls.json",
    "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json",
)


@pytest.fixture(scope="module")
def contract() -> OpenAPI:
    """The four paths that we use, out of the whole file."""
    if not FILE.exists():
        pytest.skip(f"Twilio's OpenAPI file is not there: {FILE}")
    whole = json.loads(FILE.read_text())
    whole["paths"] = {path: whole["paths"][path] for path in NEEDED}
    return OpenAPI.from_dict(_only_what_is_used(whole))


def _only_what_is_used(whole: dict[str, Any]) -> dict[str, Any]:
    schemas = whole["components"]["schemas"]
    used: set[str] = set()
    waiting = [json.dumps(whole["paths"])]
    while waiting:
        text = waiting.pop()
        for name in [name for name in schemas if f'"#/components/schemas/{name}"' in text and name not in used]:
            used.add(name)
            waiting.append(json.dumps(schemas[name]))
    whole["components"]["schemas"] = {name: schemas[name] for name in used}
    return whole


@pytest.fixture
async def spoken(
    simulator: Simulator, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[TwilioNotifier, list[requests.Response]]]:
    """A notifier, and every answer that its library got together with the request of it."""
    answers: list[requests.Response] = []
    real = requests.Session.send

    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        answer = real(self, request, **options)
        answers.append(answer)
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    settings = TwilioSettings(
        account_sid=simulator.config.account_sid,
        auth_token=simulator.config.auth_token,
        from_number=COMPANY_NUMBER,
        api_base=simulator.url,
    )
    notifier = TwilioNotifier(settings, hook.url)
    yield notifier, answers
    notifier.close()


def at_twilio(answer: requests.Response) -> requests.Request:
    """The same request at the address that the contract names."""
    prepared = answer.request
    url = "https://api.twilio.com" + prepared.path_url
    headers = {k: v for k, v in prepared.headers.items() if k.lower() not in ("content-length", "host")}
    return requests.Request(prepared.method, url, headers=headers, data=prepared.body or None)


async def test_what_the_library_asks_and_what_the_simulator_answers_fit_twilio_s_file(
    contract: OpenAPI, spoken: tuple[TwilioNotifier, list[requests.Response]], hook: Hook
) -> None:
    notifier, answers = spoken
    order = Order(attempt_id=new_id(), to="+15005550131", body="Reply 12345", mark="12345")
    text = await notifier.send_sms(order)
    call = await notifier.place_call(order)
    await until(lambda: "ringing" in hook.statuses(f"/api/twilio/status/{order.attempt_id}"))
    assert await notifier.find_by_attempt("sms", order, 5, frozenset()) is not None
    assert await notifier.find_by_attempt("call", order, 5, frozenset()) is not None
    await notifier.hang_up(call.sid)
    assert text.sid
    assert [answer.request.method for answer in answers] == ["POST", "POST", "GET", "GET", "POST"]
    for answer in answers:
        request = RequestsOpenAPIRequest(at_twilio(answer))
        contract.validate_request(request)
        contract.validate_response(request, RequestsOpenAPIResponse(answer))


async def test_the_file_would_catch_a_wrong_request(contract: OpenAPI) -> None:
    wrong = requests.Request(
        "POST",
        "https://api.twilio.com/2010-04-01/Accounts/ACx/Calls.json",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        data="Timeout=soon",
    )
    with pytest.raises(Exception, match=r"(?i)invalid|schema|security|parameter|body"):
        contract.validate_request(RequestsOpenAPIRequest(wrong))


@pytest.mark.parametrize(
    ("resource", "fields", "code"),
    [
        ("Messages", {"From": COMPANY_NUMBER, "Body": "x"}, 21604),
        ("Messages", {"To": "+15005550131", "Body": "x"}, 21603),
        ("Messages", {"To": "+15005550131", "From": COMPANY_NUMBER}, 21602),
        ("Messages", {"To": "+15005550131", "From": "+15005550007", "Body": "x"}, 21606),
        ("Messages", {"To": "+15005550131", "From": COMPANY_NUMBER, "Body": "x" * 1601}, 21617),
        ("Calls", {"To": "+15005550131", "From": COMPANY_NUMBER}, 21205),
        ("Calls", {"To": "+15005550131", "From": COMPANY_NUMBER, "Url": "http://a/", "Twiml": "<Response/>"}, 21218),
        ("Calls", {"To": "+15005550131", "From": COMPANY_NUMBER, "Url": "nowhere"}, 21205),
        ("Calls", {"To": "+15005550131", "From": COMPANY_NUMBER, "Url": "http://a/", "Timeout": "0"}, 21705),
        ("Calls", {"To": "07", "From": COMPANY_NUMBER, "Url": "http://a/"}, 21211),
        ("Calls", {"To": "+15005550004", "From": COMPANY_NUMBER, "Url": "http://a/"}, 21216),
    ],
)
async def test_the_simulator_refuses_what_twilio_refuses(
    simulator: Simulator, resource: str, fields: dict[str, str], code: int
) -> None:
    answer = await _post(simulator, resource, fields)
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert set(answer.json()) == {"code", "message", "more_info", "status"}


async def _post(simulator: Simulator, resource: str, fields: dict[str, str]) -> Any:
    async with httpx.AsyncClient(auth=(simulator.config.account_sid, simulator.config.auth_token)) as client:
        return await client.post(
            f"{simulator.url}/2010-04-01/Accounts/{simulator.config.account_sid}/{resource}.json", data=fields
        )
