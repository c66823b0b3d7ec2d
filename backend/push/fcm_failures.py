"""Which answer of FCM means what: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from backend.push.interface import Failure, PushError

#: Firebase asks for a minute where a quota is used up and no header says how long.
QUOTA_WAIT_S = 60.0
#: What a provider may ask for at most; a push of a chat is worth nothing then anyway.
WAIT_MAX_S = 3_600.0


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    error_code: str = ""
    field_violations: list[_Violation] = []


class _Error(msgspec.Struct):
    status: str = ""
    details: list[_Detail] = []


class _Body(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def from_answer(status: int, headers: Mapping[str, str], body: bytes) -> PushError:
    """The error in an answer that is not 200.

    GONE only where the answer speaks of this token: a wrong project (SENDER_ID_MISMATCH) or a message that we built
    badly must not make us forget everybody's devices.
    """
    error = _read(body)
    code = next((one.error_code for one in error.details if one.error_code), error.status)
    fields = {violation.field for one in error.details for violation in one.field_violations}
    wait = _retry_after(headers)
    if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and fields == {"message.token"}):
        return PushError(Failure.GONE, code.lower())
    if status == 429:
        return PushError(Failure.RETRY, code or "429", QUOTA_WAIT_S if wait is None else wait)
    if code == "THIRD_PARTY_AUTH_ERROR":
        return PushError(Failure.REFUSED, code)
    if status in (401, 408) or status >= 500:
        return PushError(Failure.RETRY, code or str(status), wait)
    return PushError(Failure.REFUSED, code or str(status))


def _read(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_Body).error
    except msgspec.MsgspecError:
        return _Error()  # a page of some gateway


def _retry_after(headers: Mapping[str, str]) -> float | None:
    said = headers.get("retry-after", "")
    return min(float(said), WAIT_MAX_S) if said.isdigit() else None
