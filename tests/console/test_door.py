"""What the console makes of an api that refuses, fails, or answers something else."""

from __future__ import annotations

import httpx
import pytest

from console.api import ApiError, StaffApi


def door(answer: httpx.Response | Exception) -> StaffApi:
    def respond(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return StaffApi("http://api", "token", httpx.Timeout(1), httpx.MockTransport(respond))


PROBLEM = httpx.Response(409, json={"code": "case_taken", "detail": "Somebody else has this case.", "status": 409})
PROXY = httpx.Response(502, text="<html>Bad Gateway</html>")
STRANGE = httpx.Response(200, json={"unexpected": True})


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (PROBLEM, "case_taken", 409),
        (PROXY, "http_502", 502),
        (STRANGE, "unreadable", 200),
        (httpx.Response(200, text="not json"), "unreadable", 200),
        (httpx.ConnectError("refused"), "unreachable", 0),
        (httpx.ReadTimeout("slow"), "timeout", 0),
    ],
)
def test_every_failure_is_one_error_with_a_code_and_a_sentence(
    answer: httpx.Response | Exception, code: str, status: int
) -> None:
    with pytest.raises(ApiError) as failed:
        door(answer).cases()
    assert (failed.value.code, failed.value.status) == (code, status)
    assert failed.value.detail.endswith((".", ")"))
    assert not failed.value.signed_out


def test_a_refused_token_is_told_apart() -> None:
    with pytest.raises(ApiError) as failed:
        door(httpx.Response(401, json={"code": "not_authenticated"})).me()
    assert failed.value.signed_out


def test_an_empty_queue_is_no_failure() -> None:
    assert door(httpx.Response(204)).claim_next() is None
