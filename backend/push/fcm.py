"""Firebase Cloud Messaging over its HTTP v1 API: Android, iOS (through APNs) and web push with one call."""

from __future__ import annotations

import time

import httpx
import msgspec

from backend.push.fcm_account import AccessTokens, ServiceAccount, load_account
from backend.push.fcm_failures import from_answer
from backend.push.fcm_message import message_of
from backend.push.interface import Failure, Order, PushError
from backend.settings import PushSettings

CONNECT_S, ANSWER_S = 2.0, 5.0
CONNECTIONS = 20
UNAUTHORIZED = 401
GOOGLE = "https://fcm.googleapis.com"


class _Told(msgspec.Struct):
    name: str


class FcmPusher:
    """`Pusher` over a Firebase project. Connects at the first push."""

    def __init__(self, settings: PushSettings, account: ServiceAccount) -> None:
        base = (settings.api_base or GOOGLE).rstrip("/")
        self._url = f"{base}/v1/projects/{account.project_id}/messages:send"
        self._tokens = AccessTokens(account, settings.token_url)
        self._client: httpx.AsyncClient | None = None
        self._quiet_until, self._quiet_code = 0.0, ""

    @classmethod
    def from_settings(cls, settings: PushSettings) -> FcmPusher:
        """The pusher of the account in the credentials file. Raises SettingError."""
        return cls(settings, load_account(settings.credentials_file))

    async def send(self, order: Order) -> str:
        """Hand a push over; the provider's name for it. Raises `PushError`.

        While the provider has asked for quiet (429 or 503 with Retry-After) it is not asked at all: its quota is the
        project's, not the device's.
        """
        quiet_s = self._quiet_until - time.monotonic()
        if quiet_s > 0:
            raise PushError(Failure.RETRY, self._quiet_code, quiet_s)
        try:
            answer = await self._post(order)
            if answer.status_code == UNAUTHORIZED:
                answer = await self._post(order)
        except httpx.TimeoutException as error:
            raise PushError(Failure.RETRY, "timeout") from error
        except httpx.HTTPError as error:
            raise PushError(Failure.RETRY, "connection") from error
        if not answer.is_success:
            raise self._told(from_answer(answer.status_code, answer.headers, answer.content), answer.status_code)
        try:
            return msgspec.json.decode(answer.content, type=_Told).name
        except msgspec.MsgspecError as error:
            raise PushError(Failure.RETRY, "no_name_in_the_answer") from error

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, order: Order) -> httpx.Response:
        client = self._open()
        token = await self._tokens.get(client)
        answer = await client.post(self._url, json=message_of(order), headers={"authorization": f"Bearer {token}"})
        if answer.status_code == UNAUTHORIZED:
            self._tokens.drop(token)
        return answer

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
                limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=30.0),
                trust_env=False,
                follow_redirects=False,
            )
        return self._client

    def _told(self, error: PushError, status: int) -> PushError:
        if error.retry_after_s is not None and status in (429, 503):
            self._quiet_until, self._quiet_code = time.monotonic() + error.retry_after_s, error.code
        return error


def build_pusher(settings: PushSettings) -> FcmPusher | None:
    """None when there is no credentials file: nothing is pushed. Raises SettingError."""
    return FcmPusher.from_settings(settings) if settings.credentials_file else None
