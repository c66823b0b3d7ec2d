"""Whether a call to a webhook comes from Twilio.

The signature covers the URL that Twilio called, so the public one from the settings counts, never the Host header.
Two tokens are accepted while tokens are rotated.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from backend.errors import ProblemError
from backend.settings import Settings

#: A status callback has some 25 short fields.
BODY_MAX_BYTES = 64 * 1024


def public_url(settings: Settings) -> str:
    """Where providers reach us, without a slash at the end."""
    return (settings.api.public_url or f"http://127.0.0.1:{settings.api.port}").rstrip("/")


def tokens(settings: Settings) -> tuple[str, ...]:
    """The auth tokens that may have signed."""
    return tuple(token for token in (settings.twilio.auth_token, settings.twilio.auth_token_next) if token)


def form(body: bytes) -> dict[str, str]:
    """The fields of a webhook. Raises `ProblemError` invalid_body when they are too long or no text."""
    if len(body) > BODY_MAX_BYTES:
        raise ProblemError("body_too_large")
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=200))
    except (UnicodeDecodeError, ValueError) as error:
        raise ProblemError("invalid_body") from error


def is_signed(settings: Settings, path_and_query: str, fields: dict[str, str], signature: str) -> bool:
    """Whether one of our tokens made `signature` for this URL and these fields."""
    url = public_url(settings) + path_and_query
    return any(_validates(token, url, fields, signature) for token in tokens(settings))


def _validates(token: str, url: str, fields: dict[str, str], signature: str) -> bool:
    validator: Any = RequestValidator(token)
    return bool(validator.validate(url, fields, signature))


def event_key(kind: str, attempt_id: str, idempotency_token: str, body: bytes) -> str:
    """One key per event: Twilio's own idempotency token, which stays the same when it calls again.

    A call without the header is known by what it says.
    """
    told = idempotency_token or hashlib.sha256(body).hexdigest()
    return hashlib.sha256(f"{kind}\n{attempt_id}\n{told}".encode()).hexdigest()
