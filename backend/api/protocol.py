"""HTTP/1.1 as uvicorn speaks it, with bounds on what comes before the request is known, where anybody may come."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Request line and headers together. A token may have 8 KiB.
MAX_HEAD_BYTES = 32 * 1024
#: They have to be whole after this time, counted from the connection or from their first byte.
HEAD_WITHIN_S = 10.0
#: And the body after this time: the largest photo over a thin line takes less.
BODY_WITHIN_S = 120.0


class BoundedHttp(HttpToolsProtocol):
    """uvicorn waits for ever for the end of a request, and of the headers keeps all that comes until then."""

    _reading_head = True
    _reading_body = False
    _head_bytes = 0
    _head_deadline: asyncio.TimerHandle | None = None
    _body_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        self._reading_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end_body()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_body()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._reading_head and len(data) > MAX_HEAD_BYTES and data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) < 0:
            self.send_400_response("The headers are too large.")
            return
        super().data_received(data)
        # Counted here and not by header: a single one without an end would never be counted.
        if self._reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The headers are too large.")
        elif self._reading_body and self._body_deadline is None and not self.transport.is_closing():
            # Only here: nearly every body is whole with its headers, and a timer each would cost more than it bounds.
            self._body_deadline = self.loop.call_later(BODY_WITHIN_S, self.transport.close)

    def _begin_head(self) -> None:
        self._reading_head, self._head_bytes = True, 0
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def _end_head(self) -> None:
        self._reading_head = False
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _end_body(self) -> None:
        self._reading_body = False
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def _give_up(self) -> None:
        self._head_deadline = None
        if self._reading_head and not self.transport.is_closing():
            self.transport.close()
