"""The route of the chat's socket: it accepts, hands the connection to a session, and is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from litestar import WebSocket, websocket
from litestar.params import FromPath

from backend.api.guards import open_to_all
from backend.api.limits import refuse
from backend.api.sockets.hall import Hall
from backend.api.sockets.handover import HAND_OVER
from backend.api.sockets.line import Line
from backend.api.sockets.session import ChatSession
from backend.errors import ProblemError

log = structlog.get_logger()


@websocket("/ws/trips/{trip_id:str}/chat", guards=[open_to_all])
async def chat_socket(socket: WebSocket[Any, Any, Any], trip_id: FromPath[str]) -> None:
    """The chat of a trip. The token travels in the first frame, never in the address."""
    state = socket.app.state
    try:
        trip = UUID(trip_id)
    except ValueError:
        # As a trip that is not yours; a path that fits no route would be answered without a reason.
        await refuse(socket.send, ProblemError("trip_not_found"), "websocket")
        return
    extensions: dict[str, Any] = socket.scope["extensions"] or {}  # pyright: ignore
    hand_over = extensions.get(HAND_OVER)
    if hand_over is None:
        # Served by something else than `tripwarden api`: without the handover there is no heartbeat and no bound.
        log.error("socket.no_handover")
        await socket.close(code=1011)
        return
    hall = Hall(state.services, state.sockets, state.presence)

    def answer(line: Line) -> ChatSession:
        return ChatSession(hall, trip, line)

    await socket.accept()
    hand_over(hall.registry.exchange, answer)
