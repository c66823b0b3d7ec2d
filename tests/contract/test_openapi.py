"""Our own OpenAPI description, and a fuzzer that believes it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.config import SchemathesisConfig

from backend.api.emergency import Position, PressBody
from tests.factories.tokens import Tokens, bearer

#: Long polls wait; the end of one's own session would turn every call after it into a 401.
LEFT_OUT = {("get", "/api/staff/live"), ("delete", "/api/staff/session")}
CODES_OF_OURS = "application/problem+json"


@pytest.fixture(scope="module")
def description(api_url: str) -> dict[str, Any]:
    """The document as clients get it."""
    found: dict[str, Any] = httpx.get(f"{api_url}/schema/openapi.json", trust_env=False).json()
    return found


def test_the_description_names_every_call_of_the_contract(description: dict[str, Any]) -> None:
    expected = {
        ("get", "/api/trips/{trip_id}/messages"), ("post", "/api/trips/{trip_id}/messages"),
        ("post", "/api/trips/{trip_id}/messages/quick"), ("post", "/api/trips/{trip_id}/messages/media"),
        ("put", "/api/trips/{trip_id}/messages/{message_id}/read"), ("get", "/api/messages/templates"),
        ("post", "/api/messages/templates/use"), ("post", "/api/trips/{trip_id}/emergency"),
        ("post", "/api/trips/{trip_id}/call-customer"), ("post", "/api/trips/{trip_id}/call-driver"),
        ("get", "/api/trips/{trip_id}/access-history"), ("post", "/api/ws-tickets"),
        ("put", "/api/platform/trips/{trip_id}"), ("post", "/api/platform/trips/{trip_id}/status"),
        ("post", "/api/platform/trips/{trip_id}/location"), ("put", "/api/platform/users/{user_id}"),
        ("get", "/api/staff/live-trips"), ("get", "/api/staff/cases"), ("get", "/api/staff/incidents"),
        ("get", "/api/staff/audit"), ("get", "/api/staff/templates"),
    }  # fmt: skip
    described = {(method, path) for path, item in description["paths"].items() for method in item}
    assert expected <= described, sorted(expected - described)


def test_a_press_is_described_by_what_its_route_reads(description: dict[str, Any]) -> None:
    body = description["paths"]["/api/trips/{trip_id}/emergency"]["post"]["requestBody"]
    assert not body["required"], "the button works with an empty body"
    described = body["content"]["application/json"]["schema"]["properties"]
    assert set(described) == {field.encode_name for field in msgspec.structs.fields(PressBody)}
    assert set(described["location"]["properties"]) == {field.encode_name for field in msgspec.structs.fields(Position)}


ROLES = ("driver", "service", "staff")


@pytest.mark.parametrize("role", ROLES)
def test_nothing_that_the_description_allows_breaks_the_api(
    description: dict[str, Any], api_url: str, tokens: Tokens, role: str
) -> None:
    token = {"driver": tokens.driver, "service": tokens.service, "staff": lambda: tokens.staff("admin")}[role]()
    schema = schemathesis.openapi.from_dict(description, config=SchemathesisConfig())
    schema.config.update(base_url=api_url)
    broken, answered = list[str](), Counter[int]()
    for result in schema.get_all_operations():
        operation = result.ok()
        if (operation.method.lower(), operation.path) not in LEFT_OUT:
            _fuzz(operation, bearer(token), api_url, broken, answered)
    assert broken == []
    assert sum(answered.values()) > 100
    assert answered[401] < 0.2 * sum(answered.values()), "the token did not last"
    assert answered[429] < 0.2 * sum(answered.values()), "the limits hid the api"
    assert sum(count for status, count in answered.items() if status < 300) > 5, answered
    assert httpx.get(f"{api_url}/health/ready", trust_env=False).status_code == 200


def _fuzz(operation: Any, headers: dict[str, str], api_url: str, broken: list[str], answered: Counter[int]) -> None:
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def once(case: Any) -> None:
        answer = case.call(base_url=api_url, headers=headers, timeout=20)
        answered[answer.status_code] += 1
        label = f"{case.method} {case.path} -> {answer.status_code}"
        if answer.status_code >= 500 and answer.status_code not in (501,):
            broken.append(f"{label} {answer.text[:200]}")
        elif answer.status_code >= 400 and not answer.headers["content-type"][0].startswith(CODES_OF_OURS):
            broken.append(f"{label} is no problem object")

    once()
