"""The route of the chat's socket: it accepts, hands the connection to a session, and is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from litestar import WebSocket, websocket
from litestar.params import FromPath

from backend.api.guards import open_to_all
from backend.api.sockets.hall import Hall
from backend.api.sockets.handover import HAND_OVER
from backend.api.sockets.line import Line
from backend.api.sockets.session import ChatSession

log = structlog.get_logger()


@websocket("/ws/trips/{trip_id:uuid}/chat", guards=[open_to_all])
async def chat_socket(socket: WebSocket[Any, Any, Any], trip_id: FromPath[UUID]) -> None:
    """The chat of a trip. The token travels in the first frame, never in the address."""
    state = socket.app.state
    extensions: dict[str, Any] = socket.scope["extensions"] or {}  # pyright: ignore
    hand_over = extensions.get(HAND_OVER)
    if hand_over is None:
        # Served by something else than `tripwarden api`: without the handover there is no heartbeat and no bound.
        log.error("socket.no_handover")
        await socket.close(code=1011)
        return
    hall = Hall(state.services, state.sockets, state.presence)

    def answer(line: Line) -> ChatSession:
        return ChatSession(hall, trip_id, line)

    await socket.accept()
    hand_over(hall.registry.exchange, answer)
