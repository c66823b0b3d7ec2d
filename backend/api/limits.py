"""Limits at the door: requests of one address, before anything else is looked at."""

from __future__ import annotations

import ipaddress
import math
from functools import lru_cache

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from backend.errors import ProblemError
from backend.pipeline.limits import TokenBuckets
from backend.pipeline.services import Services


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class AddressLimits:
    """ASGI middleware. The platform's own token is free; health checks are too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._buckets: tuple[TokenBuckets, TokenBuckets] | None = None

    def _check(self, services: Services, address: str) -> None:
        if self._buckets is None:
            limit = services.settings.limit
            rates = (limit.requests_per_s, limit.requests_per_s_loopback)
            self._buckets = (TokenBuckets(rates[0], rates[0] * 2), TokenBuckets(rates[1], rates[1] * 2))
        self._buckets[is_loopback(address)].take(address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_free(scope["path"]):
            await self._app(scope, receive, send)
            return
        services: Services = scope["litestar_app"].state.services
        if not _is_service(scope, services):
            try:
                self._check(services, (scope.get("client") or ("?", 0))[0])
            except ProblemError as problem:
                await _refuse(send, problem)
                return
        await self._app(scope, receive, send)


def _is_free(path: str) -> bool:
    """Nothing throttles an emergency, nor the telephone's answers to it."""
    return path.startswith(("/health/", "/api/twilio/")) or path.endswith("/emergency")


def _is_service(scope: Scope, services: Services) -> bool:
    for name, value in scope["headers"]:
        if name == b"authorization":
            known = services.tokens.known(value[7:].decode("latin-1").strip())
            return known is not None and known.role == "service"
    return False


async def _refuse(send: Send, problem: ProblemError) -> None:
    headers = [(b"content-type", b"application/problem+json")]
    if problem.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(problem.retry_after_s))).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})  # type: ignore[typeddict-item]
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.body()), "more_body": False})
