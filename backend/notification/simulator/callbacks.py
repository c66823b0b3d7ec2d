"""Calls to our webhooks: signed like Twilio's, with the troubles that a network adds when a test asks for them."""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha1
from typing import Literal

import httpx
import msgspec

Trouble = Literal["none", "twice", "never", "reversed", "forged", "late"]
#: Twilio gives a webhook 15 seconds.
TIMEOUT_S = 15.0
_LAST = frozenset({"completed", "busy", "failed", "no-answer", "canceled", "delivered", "undelivered"})


class CallbackRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to status callbacks on their way; `late_s` is real seconds."""

    trouble: Trouble = "none"
    late_s: float = 0.0


def sign(token: str, url: str, params: Mapping[str, str]) -> str:
    """`X-Twilio-Signature`: base64(HMAC-SHA1(token, url + every key and value, sorted by key)).

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    text = url + "".join(name + params[name] for name in sorted(params))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), sha1).digest()).decode()


class Webhooks:
    """Posts to webhooks over one HTTP client; `rule` troubles the status callbacks alone."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.rule = CallbackRule()
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=True)
        self._waiting: dict[str, list[tuple[str, dict[str, str]]]] = {}

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, url: str, params: Mapping[str, str], method: str = "POST") -> str:
        """The body that a webhook answers (TwiML). Raises httpx.HTTPError when it does not answer well."""
        answer = await self._send(url, params, method, self.token)
        answer.raise_for_status()
        return answer.text

    async def status(self, sid: str, url: str, params: dict[str, str], status: str) -> None:
        """Tell a status callback, under the rule of the moment. A webhook that is down loses it, as at Twilio."""
        rule = self.rule
        if not url or rule.trouble == "never":
            return
        if rule.trouble == "reversed":
            await self._reversed(sid, url, params, status)
            return
        if rule.trouble == "late":
            await asyncio.sleep(rule.late_s)
        token = secrets.token_hex(16) if rule.trouble == "forged" else self.token
        key = secrets.token_hex(16)
        for _ in range(2 if rule.trouble == "twice" else 1):
            await self._quietly(url, params, token, key)

    async def _reversed(self, sid: str, url: str, params: dict[str, str], status: str) -> None:
        waiting = self._waiting.setdefault(sid, [])
        waiting.append((url, params))
        if status not in _LAST:
            return
        for late_url, late_params in reversed(self._waiting.pop(sid)):
            await self._quietly(late_url, late_params, self.token, secrets.token_hex(16))

    async def _quietly(self, url: str, params: Mapping[str, str], token: str, key: str) -> None:
        try:
            await self._send(url, params, "POST", token, key)
        except httpx.HTTPError:
            return  # nobody at Twilio tells the caller either; the debugger there shows 11200

    async def _send(
        self, url: str, params: Mapping[str, str], method: str, token: str, key: str | None = None
    ) -> httpx.Response:
        headers = {"I-Twilio-Idempotency-Token": key or secrets.token_hex(16), "User-Agent": "TwilioProxy/1.1"}
        if method.upper() == "GET":
            full = str(httpx.URL(url).copy_merge_params(dict(params)))
            return await self._client.get(full, headers={**headers, "X-Twilio-Signature": sign(token, full, {})})
        signed = {**headers, "X-Twilio-Signature": sign(token, url, params)}
        return await self._client.post(url, data=dict(params), headers=signed)
