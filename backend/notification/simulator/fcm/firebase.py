"""The local Firebase: which access tokens are good, which devices are gone, what was taken."""

from __future__ import annotations

import secrets
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec

from backend.clock import rfc3339
from backend.notification.simulator.fcm.account import FirebaseConfig
from backend.notification.simulator.fcm.problems import GoogleError, GrantError
from backend.notification.simulator.fcm.shape import PushMessage, read_message

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
TOKEN_LIFE_S = 3_599
#: What is remembered: a demonstration runs for days.
KEPT = 2_000


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A push that was taken: when, its name, and the message as it came."""

    at: str
    name: str
    message: PushMessage


class Firebase:
    """One project. One event loop, no locks."""

    def __init__(self, config: FirebaseConfig) -> None:
        self.config = config
        self.grants = 0
        self._tokens: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Nothing was taken, every device is registered. Access tokens stay good: nobody at Google starts anew."""
        self.taken: deque[Taken] = deque(maxlen=KEPT)
        self.unregistered: set[str] = set()

    def expire_tokens(self) -> None:
        """As if an hour had gone by for whoever holds an access token."""
        self._tokens.clear()

    def grant(self, grant_type: str, assertion: str, audience: str) -> dict[str, Any]:
        """An access token for an assertion that this account has signed. Raises `GrantError`."""
        if grant_type != GRANT:
            raise GrantError("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        try:
            claims = jwt.decode(
                assertion, self.config.public_key, algorithms=["RS256"], audience=audience,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )  # fmt: skip
        except jwt.InvalidSignatureError as error:
            raise GrantError("invalid_grant", "Invalid JWT Signature.") from error
        except jwt.PyJWTError as error:
            said = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            raise GrantError("invalid_grant", said) from error
        if jwt.get_unverified_header(assertion).get("kid") != self.config.key_id:
            raise GrantError("invalid_grant", "Invalid JWT Signature.")
        if claims["iss"] != self.config.client_email:
            raise GrantError("invalid_grant", "Invalid grant: account not found")
        if claims["exp"] - claims["iat"] > 3_600:
            raise GrantError("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).")
        if SCOPE not in str(claims.get("scope", "")).split():
            raise GrantError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        token = "ya29.c." + secrets.token_urlsafe(48)
        self._tokens[token] = time.monotonic() + TOKEN_LIFE_S
        self.grants += 1
        return {"access_token": token, "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"}

    def send(self, project: str, authorization: str, body: bytes) -> dict[str, str]:
        """Take a push; its name. Raises `GoogleError`."""
        scheme, _space, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or self._tokens.get(token, 0.0) <= time.monotonic():
            raise GoogleError("UNAUTHENTICATED")
        if project != self.config.project_id:
            raise GoogleError("PERMISSION_DENIED")
        request = read_message(body)
        if request.message.token in self.unregistered:
            raise GoogleError("UNREGISTERED")
        name = f"projects/{project}/messages/0:{time.time_ns() // 1000}%{secrets.token_hex(8)}"
        if not request.validate_only:
            self.taken.append(Taken(at=rfc3339(datetime.now(UTC)), name=name, message=request.message))
        return {"name": name}
