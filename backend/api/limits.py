"""Limits at the door: requests and new sockets of one address, before anything else is looked at."""

from __future__ import annotations

import ipaddress
import math
import re
from functools import lru_cache

import msgspec
from litestar.datastructures import State
from litestar.types import ASGIApp, Receive, Scope, Send

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.pipeline.services import Services

#: The calls that may be for help, in every form in which the router takes them; what only looks like one fits no route.
_FOR_HELP = re.compile(r"/+api/+(?:trips/+[^/]+/+(?:emergency|messages/+quick)|messages/+templates/+use)/*")


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # On a dual-stack socket 127.0.0.1 is called ::ffff:127.0.0.1.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


@lru_cache(maxsize=4096)
def holder_of_address(address: str) -> str:
    """Who has an address: of IPv6 the /64, because every home has that many addresses and may come from each."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address) or found.is_loopback:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def check_address(state: State, scope: Scope) -> None:
    """Count a request or a new socket of its address. Raises `rate_limited`. The platform's own token is free."""
    services: Services = state.services
    if _is_free(scope):
        return
    token = _bearer(scope)
    if _is_service(services.tokens.known(token)):
        return
    address = (scope["client"] or ("?", 0))[0]
    limits = services.limits
    try:
        if is_loopback(address):
            limits.requests_loopback.take(address)
        else:
            limits.requests.take(holder_of_address(address))
    except ProblemError:
        # Only now is it worth a signature check: the platform may come with a token not seen here before.
        if not _is_service(_holder(services, token)):
            raise


class AddressLimits:
    """ASGI middleware: `check_address` before anything else is looked at. Health checks are free too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                check_address(scope["litestar_app"].state, scope)
            except ProblemError as problem:
                await refuse(send, problem, scope["type"])
                return
        await self._app(scope, receive, send)


#: The messages of an answer; a socket is answered instead of accepted (ASGI's "websocket.http.response").
_KINDS = {"http": "http.response", "websocket": "websocket.http.response"}


def _is_free(scope: Scope) -> bool:
    """Nothing throttles an emergency, nor the telephone's answers to it.

    A quick message may be the call for help; what it says is not known before it is read. Its sender's own limit holds
    for all other quick messages.
    """
    path = scope["path"]
    if path.startswith(("/health/", "/api/twilio/")):
        return True
    return scope["type"] == "http" and scope["method"] == "POST" and _FOR_HELP.fullmatch(path) is not None


def _bearer(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value[7:].decode("latin-1").strip()
    return ""


def _is_service(caller: Caller | None) -> bool:
    return caller is not None and caller.role == "service"


def _holder(services: Services, token: str) -> Caller | None:
    try:
        return services.tokens.verify(token) if token else None
    except ProblemError:
        return None


async def refuse(send: Send, problem: ProblemError, scope_type: str) -> None:
    """Answer a request, or a socket that is not accepted yet, with a problem object."""
    kind = _KINDS[scope_type]
    headers = [(b"content-type", b"application/problem+json")]
    if problem.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(problem.retry_after_s))).encode()))
    body = msgspec.json.encode(problem.body())
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.start", "status": problem.status, "headers": headers})  # type: ignore[typeddict-item]
    await send({"type": f"{kind}.body", "body": body, "more_body": False})  # type: ignore[typeddict-item]
