"""JSON Web Tokens (RFC 7519): minted with a key file of ours, checked against it or against a JWKS."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import jwt
import structlog

from backend.accounts.caller import STAFF_ROLES, Caller, Role
from backend.accounts.keyfile import ed25519_key
from backend.clock import Clock, SystemClock
from backend.errors import ProblemError
from backend.settings import Settings

log = structlog.get_logger()

#: Verified tokens kept by a process: a signature check costs 100 us, a look-up nothing.
CACHE_SIZE = 20_000
#: Names for staff ids that are no UUID (`--sub dispatcher`) become stable UUIDs in this namespace (RFC 9562, v5).
NAMESPACE = UUID("b5d3c1f0-5f0d-5d0e-9a53-6d2b8b1c9f11")
#: When the key server is asked again: for fresh keys, for a key id that is not known, after it did not answer.
KEEP_S, LOOK_AGAIN_S, AWAY_AGAIN_S = 300.0, 30.0, 2.0
#: How long a token waits for its answer: the first of a process, any later one.
FIRST_PATIENCE_S, PATIENCE_S = 2.5, 0.3


class VerifyKeys(Protocol):
    """Finds the key that checks a token."""

    def key_for(self, token: str) -> Any: ...


class OwnKey:
    """The key file's own public half."""

    def __init__(self, public: Any) -> None:
        self._public = public

    def key_for(self, token: str) -> Any:
        return self._public


class JwksKeys:
    """Keys of an identity provider (RFC 7517), looked for again every five minutes, and kept while it is away.

    `verify` runs on the loop that serves everybody, so the provider is asked on a thread beside it, and only the first
    token of a process waits long. A key id that is not known is looked for at most twice a minute: otherwise anybody
    could make us ask the provider as often as they can invent ids.
    """

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_keys=False, timeout=2)
        self._keys: dict[Any, Any] = {}
        self._looked_at = -1e9
        self._away = False

    def key_for(self, token: str) -> Any:
        wanted = jwt.get_unverified_header(token).get("kid")
        known = wanted in self._keys
        again_s = KEEP_S if known else AWAY_AGAIN_S if self._away else LOOK_AGAIN_S
        if time.monotonic() - self._looked_at > again_s:
            self._look(0.0 if known else PATIENCE_S if self._keys else FIRST_PATIENCE_S)
        if wanted in self._keys:
            return self._keys[wanted]
        if self._away:
            raise ProblemError("unavailable", "The key server of the tokens is not reachable.", retry_after_s=1.0)
        raise ProblemError("not_authenticated")

    def _look(self, patience_s: float) -> None:
        self._looked_at, self._away = time.monotonic(), True
        asking = threading.Thread(target=self._ask, name="jwks", daemon=True)
        asking.start()
        asking.join(patience_s)

    def _ask(self) -> None:
        try:
            found = self._client.get_signing_keys(refresh=True)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            log.warning("tokens.key_server_away", error=type(error).__name__)
            return
        self._keys, self._away = {key.key_id: key.key for key in found}, False


def subject_id(sub: str) -> UUID:
    """The id in a `sub`: a UUID as it is, any other text as a UUIDv5 of it."""
    try:
        return UUID(sub)
    except ValueError:
        return uuid.uuid5(NAMESPACE, sub)


class TokenService:
    """Mints and verifies. `verify` is pure CPU except for a first look at a JWKS."""

    def __init__(
        self,
        *,
        signing_key: Any,
        keys: VerifyKeys,
        algorithms: tuple[str, ...],
        audience: str,
        issuer: str,
        clock: Clock,
    ) -> None:
        self._signing_key, self._keys = signing_key, keys
        self._algorithms, self._audience, self._issuer, self._clock = list(algorithms), audience, issuer, clock
        self._cache: OrderedDict[str, Caller] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock | None = None) -> TokenService:
        """The service of this installation; makes the key file when there is none. Raises SettingError."""
        group = settings.token
        path = Path(group.key_file) if group.key_file else settings.data.dir / "keys" / "token.pem"
        key = ed25519_key(path)
        keys: VerifyKeys = JwksKeys(group.jwks_url) if group.jwks_url else OwnKey(key.public_key())
        return cls(
            signing_key=key,
            keys=keys,
            algorithms=group.algorithms,
            audience=group.audience,
            issuer=group.issuer,
            clock=clock or SystemClock(),
        )

    def mint(
        self,
        role: Role,
        sub: str | UUID,
        *,
        trip: UUID | str | None = None,
        staff_role: str | None = None,
        name: str = "",
        ttl_s: float = 3600,
    ) -> str:
        """A signed token (compact form) for `sub`, valid for `ttl_s` seconds from now."""
        now = self._clock.now()
        claims: dict[str, Any] = {
            "sub": str(subject_id(str(sub))),
            "role": role,
            "aud": self._audience,
            "iss": self._issuer,
            # A fractional NumericDate (RFC 7519, 2): a token made right after a revocation has to pass it.
            "iat": now.timestamp(),
            "exp": (now + timedelta(seconds=ttl_s)).timestamp(),
            "jti": uuid.uuid4().hex,
        }
        if trip is not None:
            claims["trip"] = str(trip)
        if staff_role is not None:
            claims["staff_role"] = staff_role
        if name:
            claims["name"] = name
        return jwt.encode(claims, self._signing_key, algorithm="EdDSA")

    def verify(self, token: str) -> Caller:
        """Who holds this token. Raises ProblemError `not_authenticated` or `token_expired`."""
        caller = self._cache.get(token)
        if caller is None:
            caller = self._read(self._decode(token))
            self._cache[token] = caller
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        if caller.expires_at <= self._clock.now():
            self._cache.pop(token, None)
            raise ProblemError("token_expired")
        return caller

    def known(self, token: str) -> Caller | None:
        """Who holds this token, if it was verified here before; costs nothing and decides nothing."""
        return self._cache.get(token)

    def _decode(self, token: str) -> dict[str, Any]:
        if len(token) > 8192:
            raise ProblemError("not_authenticated")
        try:
            return jwt.decode(
                token,
                self._keys.key_for(token),
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                # Expiry is compared with the product's clock in `verify`, so that stories can move the time.
                options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise ProblemError("not_authenticated") from error

    def _read(self, claims: dict[str, Any]) -> Caller:
        role, staff_role = claims.get("role"), claims.get("staff_role")
        if role not in ("driver", "customer", "service", "staff") or (
            role == "staff" and staff_role not in STAFF_ROLES
        ):
            raise ProblemError("not_authenticated")
        try:
            trip = UUID(claims["trip"]) if claims.get("trip") else None
            return Caller(
                role=role,
                id=subject_id(claims["sub"]),
                token_id=str(claims.get("jti") or ""),
                issued_at=datetime.fromtimestamp(float(claims["iat"]), UTC),
                expires_at=datetime.fromtimestamp(float(claims["exp"]), UTC),
                trip_id=trip,
                staff_role=str(staff_role) if role == "staff" else None,
                name=str(claims.get("name") or ""),
            )
        except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
            raise ProblemError("not_authenticated") from error
