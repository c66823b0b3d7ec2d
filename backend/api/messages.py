"""Messages of a trip, for its participants."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from backend.accounts.caller import Caller
from backend.api.door.answering import QuickBody, SendBody, answer_quick, answer_send
from backend.api.guards import caller_of, participants_only, participants_whom_the_send_checks, services_of
from backend.api.problems import response_of
from backend.errors import ProblemError
from backend.messages.access import MAX_LIMIT, access_epoch, access_history, access_last_seq
from backend.messages.wire import Message
from backend.pipeline.marking import ReadMark, mark_read_message
from backend.pipeline.quick import send_quick
from backend.pipeline.sending import Delivered
from backend.pipeline.services import Services

Cursor = Annotated[int | None, QueryParameter(ge=0, le=2**53)]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)]


class History(msgspec.Struct, rename="camel", kw_only=True):
    """A page of messages. `lastSeq` is how far it goes: the next page is after it, or a socket since it and `epoch`."""

    items: list[Message]
    last_seq: int
    epoch: str


def answer(delivered: Delivered) -> Response[Message]:
    """201 for a new message, 200 for a repeat of one."""
    return Response(delivered.message, status_code=200 if delivered.repeated else 201)


@get("/", guards=[participants_only])
async def list_messages(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromPath[UUID],
    after_seq: Cursor = None,
    before_seq: Cursor = None,
    limit: Limit = 50,
) -> History:
    """Messages of the trip, newest first; after a number, what happened to them since, oldest first.

    After a number there is an item for every event: a message that is new, or one that has changed (`change`, with its
    own number in `message_seq`).
    """
    view = await services.views.access_own(services.pool, caller, trip_id)
    # The number first: a message that is stored between the two reads comes after it by socket, and is not lost.
    last_seq = await access_last_seq(services.pool, trip_id, caller.role)
    items = await access_history(
        services.pool,
        services.keyring,
        view,
        caller.role,
        after_seq=after_seq,
        before_seq=before_seq,
        limit=limit,
        up_to=last_seq,
    )
    if after_seq is not None and len(items) >= limit:
        # There may be more: this page goes no further than what it holds.
        last_seq = items[-1].seq or last_seq
    return History(items=items, last_seq=last_seq, epoch=await access_epoch(services.pool))


async def answer_message(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The whole answer of `send_message`, as the short way gives it too."""
    body, waiting = await request.body(), asyncio.get_running_loop().create_future()
    trip_id: UUID = request.path_params["trip_id"]
    answer_send(services_of(request), caller_of(request), trip_id, body, request.scope["path"], waiting.set_result)
    return response_of(await asyncio.shield(waiting))


@post("/", guards=[participants_whom_the_send_checks], before_request=answer_message)
async def send_message(trip_id: FromPath[UUID], data: JSONBody[SendBody]) -> Response[Message]:
    """Send a message; durable and told to both sides when this answers."""
    # Only the description of the call is made from this; `before_request` has answered.
    raise NotImplementedError


async def answer_quick_message(request: Request[Any, Any, Any]) -> Response[Any]:
    """The whole answer of `send_quick_message`, as the short way gives it too; here also the call for help."""
    services, caller = services_of(request), caller_of(request)
    body, waiting = await request.body(), asyncio.get_running_loop().create_future()
    trip_id: UUID = request.path_params["trip_id"]
    call = answer_quick(services, caller, trip_id, body, request.scope["path"], waiting.set_result)
    if call is not None:
        return answer(await send_quick(services, caller, trip_id, call.template_key, call.client_message_id))
    return response_of(await asyncio.shield(waiting))


@post("/quick", guards=[participants_whom_the_send_checks], before_request=answer_quick_message)
async def send_quick_message(trip_id: FromPath[UUID], data: JSONBody[QuickBody]) -> Response[Message]:
    """Send a template; each side reads it in its own language."""
    # As above: answered before.
    raise NotImplementedError


@post("/media", guards=[participants_only])
async def send_media(trip_id: FromPath[UUID]) -> None:
    """Photos are not available yet."""
    raise ProblemError("not_available", "Photos cannot be sent yet.")


@put("/{message_id:uuid}/read", guards=[participants_only])
async def read_message(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromPath[UUID],
    message_id: FromPath[UUID],
) -> ReadMark:
    """Say that everything up to this message was read."""
    return await mark_read_message(services, caller, trip_id, message_id)


router = Router(
    "/api/trips/{trip_id:uuid}/messages",
    route_handlers=[list_messages, send_message, send_quick_message, send_media, read_message],
    tags=["messages"],
)
