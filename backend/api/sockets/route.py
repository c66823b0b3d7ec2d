"""The route: reads frames one at a time, writes through the outlet, and closes with a reason."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from uuid import UUID

import structlog
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect, WebSocketException
from litestar.params import FromPath

from backend.api.guards import open_to_all
from backend.api.problems import problem_of
from backend.api.sockets.closing import close_for
from backend.api.sockets.presence import Presence
from backend.api.sockets.registry import SocketRegistry
from backend.api.sockets.session import ChatSession
from backend.errors import ProblemError
from backend.messages.wire import frame
from backend.pipeline.services import Services

log = structlog.get_logger()

AUTH_WITHIN_S = 3.0
CLOSE_WITHIN_S = 2.0


@websocket("/ws/trips/{trip_id:uuid}/chat", guards=[open_to_all])
async def chat_socket(socket: WebSocket[Any, Any, Any], trip_id: FromPath[UUID]) -> None:
    """The chat of a trip. The token travels in the first frame, never in the address."""
    state = socket.app.state
    services: Services = state.services
    registry: SocketRegistry = state.sockets
    presence: Presence = state.presence
    await socket.accept()
    session = ChatSession(services, registry, presence, trip_id)
    reader: asyncio.Task[None] | None = None
    try:
        if not await _join(socket, session):
            return
        reader = asyncio.create_task(_read(socket, session))
        pump = asyncio.create_task(session.outlet.pump(socket.send_text))
        try:
            done, _ = await asyncio.wait({reader, pump}, return_when=asyncio.FIRST_COMPLETED)
            if pump in done and not pump.cancelled() and pump.exception() is None:
                await _close(socket, pump.result())
        finally:
            reader.cancel()
            pump.cancel()
            await asyncio.gather(reader, pump, return_exceptions=True)
    finally:
        # A socket is cancelled at any moment; its seat and subscription must not stay behind.
        await asyncio.shield(session.leave())


async def _join(socket: WebSocket[Any, Any, Any], session: ChatSession) -> bool:
    try:
        try:
            async with asyncio.timeout(AUTH_WITHIN_S):
                raw = await _receive(socket)
        except TimeoutError:
            raise ProblemError("auth_timeout") from None
        await session.join(raw)
    except (WebSocketDisconnect, WebSocketException):
        return False
    except Exception as error:
        problem = problem_of(error)
        if problem.code == "internal_error":
            log.error("socket.join_failed", error=type(error).__name__, exc_info=error)
        await _refuse(socket, problem)
        return False
    return True


async def _receive(socket: WebSocket[Any, Any, Any]) -> str | bytes:
    message: Any = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(detail="gone", code=message.get("code", 1005))
    text = message.get("text")
    return text if text is not None else message.get("bytes") or b""


async def _read(socket: WebSocket[Any, Any, Any], session: ChatSession) -> None:
    """One frame at a time: a client's second frame waits for the answer to its first."""
    while True:
        try:
            raw = await _receive(socket)
        except (WebSocketDisconnect, WebSocketException):
            return
        try:
            await session.take(raw)
        except Exception as error:
            problem = problem_of(error)
            log.error("socket.frame_failed", code=problem.code, error=type(error).__name__, exc_info=error)
            session.tell_problem(problem, raw)


async def _refuse(socket: WebSocket[Any, Any, Any], problem: ProblemError) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await socket.send_text(frame("error", {"code": problem.code, "message": problem.detail}).decode())
    await _close(socket, close_for(problem))


async def _close(socket: WebSocket[Any, Any, Any], code: int) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await socket.close(code=int(code))
