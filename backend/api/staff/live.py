"""What every console page follows: one small state, by long poll or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from backend.accounts.caller import Caller
from backend.api.staff.roles import staff_may_watch
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.reviews.live import DeskState, access_desk_state

TOPICS = ("incidents", "review", "trips")
#: A long poll answers after this long even when nothing changed.
POLL_S = 2.0
#: A stream says that it lives this often.
HEARTBEAT_S = 10.0
#: A busy city rings all the time; nobody reads faster than this.
REST_S = 0.1

_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get("/live", guards=[staff_may_watch])
async def live(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> Response[DeskState] | Stream:
    """The state when it differs from `cursor`, or the same after two seconds; a stream for `text/event-stream`."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return Stream(_events(services, caller), media_type="text/event-stream", headers=_STREAM)
    loop = asyncio.get_running_loop()
    end = loop.time() + POLL_S
    state = await _state(services)
    while state.cursor == cursor and (left := end - loop.time()) > 0:
        state = await _next(services, left)
    return Response(state, headers={"Cache-Control": "no-store"})


async def _state(services: Services) -> DeskState:
    async with services.db.session() as session:
        return await access_desk_state(session, services.clock.now())


async def _next(services: Services, timeout_s: float) -> DeskState:
    """The state after the next ring, or after `timeout_s`: the rows are asked even when the bell is broken."""
    if await services.hub.wait_staff(TOPICS, timeout_s):
        await asyncio.sleep(min(REST_S, timeout_s))
    return await _state(services)


async def _events(services: Services, caller: Caller) -> AsyncGenerator[bytes]:
    """Server-sent events: `data:` on each change, a comment as heartbeat; ends when the token no longer counts."""
    loop = asyncio.get_running_loop()
    known, said = "", loop.time()
    state = await _state(services)
    while await _still_counts(services, caller):
        if state.cursor != known:
            known, said = state.cursor, loop.time()
            yield b"id: " + known.encode() + b"\ndata: " + msgspec.json.encode(state) + b"\n\n"
        elif loop.time() - said >= HEARTBEAT_S:
            said = loop.time()
            yield b": alive\n\n"
        state = await _next(services, POLL_S)


async def _still_counts(services: Services, caller: Caller) -> bool:
    try:
        await services.standings.check_token(services.pool, caller)
    except ProblemError:
        return False
    return caller.expires_at > services.clock.now()


router = Router(path="/api/staff", route_handlers=[live], tags=["staff: live"])
