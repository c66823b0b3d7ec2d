"""Faults on the wire, below the web framework: answers that hang, break off or never come."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backend.notification.simulator.exchange import Exchange
from backend.notification.simulator.faults import Fault
from backend.notification.simulator.fcm import PATH, GoogleError
from backend.notification.simulator.problems import TwilioError

#: A fault that "never" answers still lets go of its connection one day.
NEVER_S = 600.0
_PAGE = b"<html><head><title>Bad Gateway</title></head><body><center><h1>Bad Gateway</h1></center></body></html>"
_API = "/2010-04-01/"
Connections = dict[tuple[str, int], asyncio.Transport]


def protocol_for(connections: Connections) -> type[asyncio.Protocol]:
    """uvicorn's own protocol that also writes down the transport of each peer, so that a fault can reset it."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections[transport.get_extra_info("peername")[:2]] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(cast("Any", self.transport).get_extra_info("peername")[:2], None)
            super().connection_lost(exc)

    return Protocol


class Spoiling:
    """ASGI wrapper: takes the fault that fits a request to the API and lets it strike."""

    def __init__(self, app: ASGIApp, exchange: Exchange, connections: Connections) -> None:
        self._app, self._exchange, self._connections = app, exchange, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        resource = resource_of(path)
        if resource is None:
            await self._app(scope, receive, send)
            return
        body = await _whole_body(receive)
        fault = self._exchange.faults.take(resource, cast("Any", scope)["method"], _to(resource, body))
        again = _replay(body, receive)
        if fault is None:
            await self._app(scope, again, send)
            return
        answer: list[Message] = []
        if fault.after or fault.kind == "slow":
            await self._app(scope, again, _keeping(answer))
        await self._strike(fault, resource, scope, answer, send)

    async def _strike(self, fault: Fault, resource: str, scope: Scope, answer: list[Message], send: Send) -> None:
        match fault.kind:
            case "hang":
                await asyncio.sleep(NEVER_S)
            case "reset":
                self._reset(scope)
            case "slow":
                await asyncio.sleep(fault.seconds)
                for message in answer:
                    await send(message)
            case "cut":
                await _answer(send, 201, b'{"sid": "SM', length=400)
            case "empty":
                await _answer(send, 201, b"{}")
            case "html":
                await _answer(send, fault.status, _PAGE, kind=b"text/html", retry_after_s=fault.retry_after_s)
            case "error":
                error = _error(fault, resource)
                body = msgspec.json.encode(error.body())
                await _answer(send, error.status, body, retry_after_s=fault.retry_after_s)

    def _reset(self, scope: Scope) -> None:
        transport = self._connections.get(cast("tuple[str, int]", cast("Any", scope)["client"]))
        if transport is None:
            return
        raw: Any = transport.get_extra_info("socket")
        # SO_LINGER of zero seconds makes close() send RST instead of FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def resource_of(path: str) -> str | None:
    """What a request is about; None: nothing that a fault could spoil."""
    if path.startswith(_API):
        return "calls" if "/Calls" in path else "messages"
    if path.startswith(PATH + "/"):
        return "push_token" if path == PATH + "/token" else "push"
    return None


def _to(resource: str, body: bytes) -> str:
    """The number that a creation goes to, or the registration token of a push."""
    if resource != "push":
        return parse_qs(body.decode("utf-8", "replace")).get("To", [""])[0]
    try:
        return str(msgspec.json.decode(body)["message"]["token"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return ""


def _error(fault: Fault, resource: str) -> TwilioError | GoogleError:
    if resource.startswith("push"):
        return GoogleError(fault.word)
    return TwilioError(fault.code, status=fault.status if fault.status != 500 else None)


async def _whole_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message: Any = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body", False)) and message["type"] == "http.request"
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Any:
        return waiting.pop() if waiting else await receive()

    return cast("Receive", replayed)


def _keeping(answer: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        answer.append(message)

    return cast("Send", keep)


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    *,
    kind: bytes = b"application/json",
    length: int | None = None,
    retry_after_s: int | None = None,
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(length or len(body)).encode())]
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send(cast("Any", {"type": "http.response.start", "status": status, "headers": headers}))
    await send(cast("Any", {"type": "http.response.body", "body": body, "more_body": length is not None}))
    if length is not None:
        # Ending the body now is fewer bytes than were promised: the server closes the connection half way.
        await send(cast("Any", {"type": "http.response.body", "body": b"", "more_body": False}))
