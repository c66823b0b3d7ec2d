"""The ride platform of the city: makes and moves trips over the platform API with a service token."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any, cast

import httpx

from backend.city.figures import Figures

#: First and longest wait between tries, in seconds.
BACKOFF_S = (0.3, 10.0)
#: A service token is used this long, in seconds; it lives twice as long.
TOKEN_USE_S = 1800


class PlatformRefused(Exception):
    """The api said no for good: its status and code."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code
        super().__init__(f"{status} {code}")


class Platform:
    """Calls are repeated over outages and limits until they are answered; each of them may safely come twice."""

    def __init__(self, http: httpx.AsyncClient, mint: Callable[[], str], figures: Figures, rng: random.Random) -> None:
        self._http, self._mint, self._figures, self._rng = http, mint, figures, rng
        self._token, self._token_until = "", 0.0

    async def make_trip(self, trip_id: str, body: dict[str, object]) -> None:
        """`PUT /api/platform/trips/{id}`."""
        await self._call("PUT", f"/api/platform/trips/{trip_id}", body)

    async def name_device(self, user_id: str, locale: str) -> None:
        """`PUT /api/platform/users/{id}`: somebody's phone, for pushes."""
        token = f"city:{uuid.UUID(user_id).hex * 4}"
        await self._call(
            "PUT", f"/api/platform/users/{user_id}",
            {"devices": [{"token": token, "platform": "android", "locale": locale}]},
        )  # fmt: skip

    async def set_status(self, trip_id: str, status: str) -> None:
        """`POST .../status`."""
        await self._call("POST", f"/api/platform/trips/{trip_id}/status", {"status": status})

    async def set_location(self, trip_id: str, location: dict[str, object]) -> None:
        """`POST .../location`; tried once, the next position is seconds away."""
        try:
            await self._once("POST", f"/api/platform/trips/{trip_id}/location", location, self._service_token())
        except httpx.HTTPError:
            self._figures.errors["location_unreachable"] += 1

    async def press(self, trip_id: str, token: str, body: dict[str, object]) -> None:
        """`POST /api/trips/{id}/emergency` as a participant, until it is answered."""
        await self._call("POST", f"/api/trips/{trip_id}/emergency", body, token=token)
        self._figures.emergencies += 1

    async def wait_ready(self, timeout_s: float, stop: asyncio.Event) -> bool:
        """Whether the api answers `/health/live` within `timeout_s`; False as soon as `stop` is set."""
        until = time.monotonic() + timeout_s
        while not stop.is_set():
            try:
                if (await self._http.get("/health/live")).is_success:
                    return True
            except httpx.HTTPError:
                pass  # not up yet: asked again below, and the caller hears False in the end
            if time.monotonic() >= until:
                break
            await asyncio.sleep(0.3)
        return False

    def _service_token(self) -> str:
        if time.monotonic() >= self._token_until:
            self._token, self._token_until = self._mint(), time.monotonic() + TOKEN_USE_S
        return self._token

    async def _once(self, method: str, path: str, body: dict[str, object], token: str) -> httpx.Response:
        return await self._http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def _call(self, method: str, path: str, body: dict[str, object], *, token: str = "") -> None:
        wait = BACKOFF_S[0]
        while True:
            try:
                answer = await self._once(method, path, body, token or self._service_token())
                if answer.is_success:
                    return
                code = _code_of(answer)
                self._figures.errors[code] += 1
                if answer.status_code not in (401, 408, 425, 429) and answer.status_code < 500:
                    raise PlatformRefused(answer.status_code, code)
                self._token_until = 0.0
            except httpx.HTTPError:
                self._figures.errors["api_unreachable"] += 1
            await asyncio.sleep(wait * self._rng.uniform(0.5, 1.5))
            wait = min(BACKOFF_S[1], wait * 2)


def _code_of(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return f"http_{answer.status_code}"
    if isinstance(body, dict):
        return str(cast("dict[str, Any]", body).get("code", f"http_{answer.status_code}"))
    return f"http_{answer.status_code}"
