"""The way in: uvicorn does the handshake and asks the application; then the connection is handed to a `Line`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from backend.api.sockets.exchange import Exchange, Talk
from backend.api.sockets.line import Line

#: Where the scope of an accepted socket holds `Handshake.hand_over`.
HAND_OVER = "tripwarden.hand_over"


class UpgradingHttp(HttpToolsProtocol):
    """uvicorn drops what comes in one segment with the request for an upgrade."""

    _segment = b""

    def data_received(self, data: bytes) -> None:
        self._segment = data
        super().data_received(data)
        self._segment = b""

    def handle_websocket_upgrade(self) -> None:
        upgrade = sys.exc_info()[1]
        super().handle_websocket_upgrade()
        rest = self._segment[upgrade.args[0] :] if isinstance(upgrade, httptools.HttpParserUpgrade) else b""
        protocol = self.transport.get_protocol()
        if rest and isinstance(protocol, Handshake):
            protocol.data_received(rest)


class Handshake(WebSocketsSansIOProtocol):
    """One connection until it is accepted or refused. What a hasty client sends meanwhile waits unread."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hasty = b""

    def handle_connect(self, event: Request) -> None:
        """The request is whole: the application is asked, and nothing more is read until it has answered."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][HAND_OVER] = self.hand_over  # type: ignore[typeddict-unknown-key]
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """The request; or what a client sends that does not wait for the answer."""
        if self.handshake_initiated:
            self._hasty += data
        else:
            super().data_received(data)

    def hand_over(self, exchange: Exchange, answer: Callable[[Line], Talk]) -> None:
        """Give the accepted connection to a line, and the line to whoever answers it.

        uvicorn keeps nothing of it, and closes nothing when the route returns.
        """
        transport, self.transport = self.transport, cast("asyncio.Transport", _LetGo())
        self.connections.discard(self)
        line = Line(exchange, self.connections, self.tasks)
        line.begin(answer(line), transport, self._hasty)

    def shutdown(self) -> None:
        """The process stops before the application has answered."""
        if not self.handshake_complete:
            self.handshake_complete = self.close_sent = True
            self.conn.send_response(self.conn.reject(503, "The service restarts."))
            self.transport.write(b"".join(self.conn.data_to_send()))
        super().shutdown()


class _LetGo:
    """What uvicorn closes instead of a connection that it has given away."""

    def close(self) -> None:
        """Nothing is left to close."""

    def is_closing(self) -> bool:
        """Nothing more is to be written either."""
        return True
