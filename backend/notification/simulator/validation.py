"""What Twilio refuses before it does anything: forms of numbers, required fields, ranges, magic numbers.

Magic numbers: https://www.twilio.com/docs/iam/test-credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from backend.notification.simulator.problems import TwilioError

E164 = re.compile(r"^\+[1-9]\d{6,14}$")
BODY_MAX_CHARS = 1_600
CALL_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})

_SMS_TO = {"0001": 21211, "0002": 21612, "0003": 21408, "0004": 21610, "0009": 21614}
_SMS_FROM = {"0001": 21212, "0007": 21606, "0008": 21611}
_CALL_TO = {"0001": 21217, "0002": 21214, "0003": 21215, "0004": 21216}
_CALL_FROM = {"0001": 21212, "0007": 21210, "0008": 21210}

Form = Mapping[str, Sequence[str]]


def one(form: Form, name: str) -> str:
    """The first value of a field, or an empty text."""
    values = form.get(name)
    return values[0] if values else ""


def _magic(number: str, table: Mapping[str, int]) -> None:
    if number.startswith("+1500555") and number[8:] in table:
        raise TwilioError(table[number[8:]])


def _check_url(value: str, code: int) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise TwilioError(code)


def check_message(form: Form, own_numbers: frozenset[str]) -> None:
    """Raises `TwilioError` for a message that Twilio would not take."""
    to, sender, body = one(form, "To"), one(form, "From"), one(form, "Body")
    if not to:
        raise TwilioError(21604)
    if not sender and not one(form, "MessagingServiceSid"):
        raise TwilioError(21603)
    if not body and not one(form, "MediaUrl"):
        raise TwilioError(21602)
    _magic(to, _SMS_TO)
    _magic(sender, _SMS_FROM)
    if not E164.match(to):
        raise TwilioError(21211)
    if sender not in own_numbers:
        raise TwilioError(21606)
    if len(body) > BODY_MAX_CHARS:
        raise TwilioError(21617)
    if callback := one(form, "StatusCallback"):
        _check_url(callback, 21609)


def check_call(form: Form, own_numbers: frozenset[str]) -> None:
    """Raises `TwilioError` for a call that Twilio would not place."""
    to, sender = one(form, "To"), one(form, "From")
    if not to:
        raise TwilioError(21201)
    if not sender:
        raise TwilioError(21213)
    _magic(to, _CALL_TO)
    _magic(sender, _CALL_FROM)
    if not E164.match(to):
        raise TwilioError(21211)
    if sender not in own_numbers:
        raise TwilioError(21210)
    _check_call_instructions(form)
    _check_call_options(form)


def _check_call_instructions(form: Form) -> None:
    given = [name for name in ("Url", "Twiml", "ApplicationSid") if one(form, name)]
    if not given:
        raise TwilioError(21205)
    if len(given) > 1:
        raise TwilioError(21218, message="Only one of Url, Twiml and ApplicationSid may be given")
    if given == ["Url"]:
        _check_url(one(form, "Url"), 21205)


def _check_call_options(form: Form) -> None:
    if (method := one(form, "Method")) and method.upper() not in ("GET", "POST"):
        raise TwilioError(21705, message="Method has to be GET or POST")
    timeout = one(form, "Timeout") or "60"
    if not timeout.isdigit() or not 1 <= int(timeout) <= 600:
        raise TwilioError(21705, message="Timeout has to be from 1 to 600 seconds")
    if callback := one(form, "StatusCallback"):
        _check_url(callback, 21626)
    if not set(form.get("StatusCallbackEvent", ())) <= CALL_EVENTS:
        raise TwilioError(21626)
