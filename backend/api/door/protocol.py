"""HTTP/1.1 as uvicorn speaks it, with a short way for what everything is full of: sending a message.

A request that is in no way unusual is answered from here: no scope for a framework, no task, no events; its answer
leaves in one write. Anything else (another path, a body in chunks, a header that changes what a request means, a
request behind one that is still being answered) takes the long way, through the application, to the same answer.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple, cast
from uuid import UUID

from litestar import Litestar
from litestar.datastructures import State
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from backend.api.door.answering import answer_quick, answer_send
from backend.api.guards import check_participant_role, holder_of
from backend.api.limits import check_address
from backend.api.problems import Answer, answer_of
from backend.pipeline.services import Services

_TARGET = re.compile(rb"/api/trips/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/messages(/quick)?")
#: Names and addresses as everybody writes them; whatever else a host may be called is looked at on the long way.
_HOST = re.compile(rb"[0-9A-Za-z.:\[\]-]+")
#: With one of these a request may mean something else than its body says.
_UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"))
_PLAIN = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
#: More than this is never read at once: uvicorn would pause the reading, and only its own way goes on from there.
MAX_BODY_BYTES = 32 * 1024


class Wanted(NamedTuple):
    """What the head of a request says."""

    trip_id: UUID
    quick: bool
    authorization: str


class ShortCall(RequestResponseCycle):
    """One request on the short way, where uvicorn keeps the request that it is answering.

    uvicorn gives it the body, says when the client is gone (`disconnected`) and when the process stops (`keep_alive`).
    """

    def begin(self, state: State, wanted: Wanted) -> bool:
        """The body is whole: check who asks, and answer. The same checks in the same order as on the long way.

        False, with nothing done, for the call for help, which is not only sent.
        """
        services: Services = state.services
        try:
            check_address(state, cast("Any", self.scope))
            caller = holder_of(wanted.authorization, services)
            check_participant_role(caller)
        except Exception as error:  # noqa: BLE001  (what Litestar's exception handler is on the long way)
            self.finish(answer_of(error, self.scope["path"]))
            return True
        give = answer_quick if wanted.quick else answer_send
        return give(services, caller, wanted.trip_id, bytes(self.body), self.scope["path"], self.finish) is None

    def finish(self, answer: Answer) -> None:
        """Write the answer, whole, in one go; nothing where nobody waits for it any more."""
        if self.disconnected or self.response_complete or self.transport.is_closing():
            return
        lines = [STATUS_LINE[answer.status], *(b"%b: %b\r\n" % header for header in self.default_headers)]
        lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in answer.headers]
        lines.append(b"content-type: %b\r\n" % answer.media_type.encode())
        lines.append(b"content-length: %d\r\n" % len(answer.body))
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        lines.append(answer.body)
        self.response_started = self.response_complete = True
        self.transport.write(b"".join(lines))
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        # As uvicorn does: what is answered keeps its connection alive no longer.
        self.on_response = _nothing


class ShortWay(HttpToolsProtocol):
    """uvicorn's protocol with the short way. Bounds on heads are another class's: put it in front of this one."""

    _short: tuple[ShortCall, Wanted] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = cast("Any", self.app)  # pyright: ignore[reportUnknownMemberType]
        #: Nothing is short where uvicorn has a say of its own in each request: log it, count it, put it below a path.
        plain = self.limit_concurrency is None and not self.config.access_log and not self.root_path
        self._litestar = app if plain and isinstance(app, Litestar) else None
        self._max_body_bytes = MAX_BODY_BYTES
        if self._litestar is not None and isinstance(self._litestar.request_max_body_size, int):
            self._max_body_bytes = min(MAX_BODY_BYTES, self._litestar.request_max_body_size)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # An answer that was ready at once has set the timer, and the next request is here already.
        self._unset_keepalive_if_required()

    def on_headers_complete(self) -> None:
        self._short = self._as_short_call()
        if self._short is None:
            super().on_headers_complete()
        else:
            self.cycle = self._short[0]

    def on_message_complete(self) -> None:
        if self._short is None or self._litestar is None:
            super().on_message_complete()
            return
        (call, wanted), self._short = self._short, None
        call.more_body = False
        if not call.begin(self._litestar.state, wanted):
            self.cycle = cast("Any", None)
            super().on_headers_complete()
            self.cycle.body += call.body
            super().on_message_complete()

    def _as_short_call(self) -> tuple[ShortCall, Wanted] | None:
        target, parser = _TARGET.fullmatch(self.url), cast("Any", self.parser)
        if target is None or parser.get_method() != b"POST" or not self._is_free():
            return None
        authorization = _plain_authorization(self.headers, self._max_body_bytes)
        if authorization is None or parser.get_http_version() != "1.1" or parser.should_upgrade():
            return None
        self.scope["method"], self.scope["path"] = "POST", self.url.decode("ascii")
        call = ShortCall(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        return call, Wanted(UUID(target[1].decode("ascii")), target[2] is not None, authorization)

    def _is_free(self) -> bool:
        """No request before this one is being answered, and the last answer has left."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return self._litestar is not None and (cycle is None or cycle.response_complete) and not self.flow.write_paused


def _nothing() -> None:
    """What is left to do after an answer."""


def _plain_authorization(headers: list[tuple[bytes, bytes]], max_body_bytes: int) -> str | None:
    """The `Authorization` of a request that any client might send; None where a header is unusual, twice or missing."""
    found: dict[bytes, bytes] = dict(headers)
    length = found.get(b"content-length", b"")
    if len(found) != len(headers) or not _UNUSUAL.isdisjoint(found) or not length.isdigit():
        return None
    if int(length) > max_body_bytes or found.get(b"content-type", _PLAIN[0]).lower() not in _PLAIN:
        return None
    if _HOST.fullmatch(found.get(b"host", b"")) is None:
        return None
    return found.get(b"authorization", b"").decode("latin-1")
