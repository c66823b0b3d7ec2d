"""Which failure of Twilio means what. Codes: https://www.twilio.com/docs/api/errors."""

from __future__ import annotations

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException

from backend.notification.interface import Failure, SendError

#: Codes that are about us or the moment, not about this number: the same send may work later or elsewhere.
RETRY_CODES = frozenset({20003, 20429, 21611, 14107, 30001, 30022})
#: Waits between tries are short: somebody is in danger.
RETRY_AFTER_MAX_S = 10.0


def from_rest(error: TwilioRestException, retry_after: str | None) -> SendError:
    """A clear answer: 4xx refuses the number or text; 401, 429 and 5xx let another try or channel take over.

    A 5xx is clear only in name: the gateway that says 502 or 504 cannot know whether the request went through.
    """
    code = int(error.code or error.status)
    wait = min(float(retry_after), RETRY_AFTER_MAX_S) if retry_after and retry_after.isdigit() else None
    said = f"HTTP {error.status}"
    if error.status in (502, 504):
        return SendError(Failure.UNKNOWN, code, said, wait)
    if error.status in (401, 403, 408, 429) or error.status >= 500 or code in RETRY_CODES:
        return SendError(Failure.RETRY, code, said, wait)
    return SendError(Failure.REFUSED, code, said)


def from_wire(error: Exception) -> SendError:
    """No whole answer. Only a connection that was never made is sure to have sent nothing."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return SendError(Failure.RETRY, None, "no connection")
    if isinstance(error, requests.exceptions.ConnectionError) and _never_connected(error):
        return SendError(Failure.RETRY, None, "connection refused")
    return SendError(Failure.UNKNOWN, None, type(error).__name__)


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


#: What twilio-python and the HTTP library below it raise, a broken body included.
WIRE_ERRORS: tuple[type[Exception], ...] = (requests.exceptions.RequestException, TwilioException, ValueError)
