"""The service account of a Firebase project, and the access token that it is traded for (RFC 7523, Google's form)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from backend.push.interface import Failure, PushError
from backend.settings import PREFIX, SettingError

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: An assertion may live an hour at most; ours is used at once.
ASSERTION_LIFE_S = 600
#: An access token is not used in its last minutes: the clocks of two houses differ.
MARGIN_S = 120.0


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that we use of the JSON file that Google hands out."""

    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str


def load_account(path: str) -> ServiceAccount:
    """The account in a file. Raises SettingError when it is none or its key cannot be used."""
    name, right = f"{PREFIX}PUSH_CREDENTIALS_FILE", "the JSON key file of a service account of the Firebase project"
    try:
        account = msgspec.json.decode(Path(path).read_bytes(), type=ServiceAccount)
        load_pem_private_key(account.private_key.encode(), None)
    except (OSError, ValueError, TypeError) as error:
        # msgspec's own errors are ValueErrors; none of them repeats what stands in the file.
        raise SettingError(name, f"cannot be used ({type(error).__name__})", right) from None
    return account


class AccessTokens:
    """The access token of an account, fetched when needed and kept until shortly before it expires."""

    def __init__(self, account: ServiceAccount, url: str) -> None:
        self._account, self._url = account, url or account.token_uri
        self._token, self._good_until = "", 0.0

    def drop(self, token: str) -> None:
        """The provider does not take this one any more."""
        if token == self._token:
            self._token = ""

    async def get(self, client: httpx.AsyncClient) -> str:
        """A token that is good for some minutes at least. Raises `PushError`, httpx.HTTPError."""
        if self._token and time.monotonic() < self._good_until:
            return self._token
        answer = await client.post(self._url, data={"grant_type": GRANT, "assertion": self._assertion()})
        if not answer.is_success:
            # Also a 400: the account may have been given a new key, and whoever can mends that while we go on trying.
            raise PushError(Failure.RETRY, f"no_access_token_{answer.status_code}", 5.0)
        try:
            told: dict[str, Any] = answer.json()
            self._token, life_s = str(told["access_token"]), float(told["expires_in"])
        except (ValueError, KeyError, TypeError) as error:
            raise PushError(Failure.RETRY, "no_access_token") from error
        self._good_until = time.monotonic() + max(0.0, life_s - MARGIN_S)
        return self._token

    def _assertion(self) -> str:
        # The provider's clock is the real one; ours may be moved.
        now = int(time.time())
        claims = {
            "iss": self._account.client_email,
            "scope": SCOPE,
            "aud": self._url,
            "iat": now,
            "exp": now + ASSERTION_LIFE_S,
        }
        headers = {"kid": self._account.private_key_id}
        return jwt.encode(claims, self._account.private_key, algorithm="RS256", headers=headers)
