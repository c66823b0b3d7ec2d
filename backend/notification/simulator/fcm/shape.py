"""What a message of FCM v1 may look like, as far as we use it; anything else is INVALID_ARGUMENT.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from backend.notification.simulator.fcm.problems import GoogleError

#: Bytes of notification and data together.
MAX_PAYLOAD = 4_096
MAX_TTL_S = 28 * 24 * 3_600
_TOKEN = re.compile(r"[A-Za-z0-9_:.-]{20,4096}")
_TTL = re.compile(r"(\d{1,10})(\.\d{1,9})?s")
Text = dict[str, str]


class Notification(msgspec.Struct, forbid_unknown_fields=True):
    title: str = ""
    body: str = ""
    image: str = ""


class Android(msgspec.Struct, forbid_unknown_fields=True):
    collapse_key: str = ""
    priority: Literal["NORMAL", "HIGH", "normal", "high"] = "NORMAL"
    ttl: str = ""
    notification: dict[str, Any] = {}
    data: Text = {}


class Apns(msgspec.Struct, forbid_unknown_fields=True):
    headers: Text = {}
    payload: dict[str, Any] = {}


class Webpush(msgspec.Struct, forbid_unknown_fields=True):
    headers: Text = {}
    data: Text = {}
    notification: dict[str, Any] = {}


class PushMessage(msgspec.Struct, forbid_unknown_fields=True):
    token: str = ""
    topic: str = ""
    condition: str = ""
    data: Text = {}
    notification: Notification | None = None
    android: Android | None = None
    apns: Apns | None = None
    webpush: Webpush | None = None


class SendRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    message: PushMessage
    validate_only: Annotated[bool, msgspec.Meta()] = False


def read_message(body: bytes) -> SendRequest:
    """The request, if the real API would take it. Raises `GoogleError` INVALID_ARGUMENT."""
    try:
        request = msgspec.json.decode(body, type=SendRequest)
    except msgspec.MsgspecError as error:
        raise GoogleError("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error
    message = request.message
    if sum(bool(target) for target in (message.token, message.topic, message.condition)) != 1:
        raise GoogleError("INVALID_ARGUMENT", "Exactly one of token, topic or condition must be specified")
    if message.token and not _TOKEN.fullmatch(message.token):
        said = "The registration token is not a valid FCM registration token"
        raise GoogleError("INVALID_ARGUMENT", said, field="message.token")
    for name in message.data:
        if name in ("from", "message_type") or name.startswith(("google", "gcm")):
            raise GoogleError("INVALID_ARGUMENT", f"Invalid data payload key: {name}", field="message.data")
    if len(msgspec.json.encode((message.data, message.notification))) > MAX_PAYLOAD:
        raise GoogleError("INVALID_ARGUMENT", "Message is too big", field="message")
    _check_targets(message)
    return request


def _check_targets(message: PushMessage) -> None:
    if message.android is not None and message.android.ttl:
        found = _TTL.fullmatch(message.android.ttl)
        if found is None or int(found[1]) > MAX_TTL_S:
            raise GoogleError("INVALID_ARGUMENT", "Invalid TTL", field="message.android.ttl")
    if message.apns is not None:
        headers = message.apns.headers
        if len(headers.get("apns-collapse-id", "").encode()) > 64:
            raise GoogleError("INVALID_ARGUMENT", "BadCollapseId", field="message.apns.headers")
        if headers.get("apns-priority", "10") not in ("1", "5", "10"):
            raise GoogleError("INVALID_ARGUMENT", "BadPriority", field="message.apns.headers")
        if not headers.get("apns-expiration", "0").isdigit():
            raise GoogleError("INVALID_ARGUMENT", "BadExpirationDate", field="message.apns.headers")
    if message.webpush is not None and not re.fullmatch(r"[\w-]{0,32}", message.webpush.headers.get("Topic", "")):
        raise GoogleError("INVALID_ARGUMENT", "Invalid Topic", field="message.webpush.headers")
