"""The one answer to `POST /api/trips/{tripId}/messages`, from its bytes; the route and the short way both give it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from uuid import UUID

import msgspec

from backend.accounts.caller import Caller
from backend.api.problems import Answer, answer_of
from backend.errors import ProblemError
from backend.messages.wire import encode
from backend.pipeline.sending import Delivered, Outgoing
from backend.pipeline.services import Services


class SendBody(msgspec.Struct, rename="camel", kw_only=True):
    """A message to send."""

    content: str
    message_type: Literal["text"] = "text"
    client_message_id: UUID | None = None
    reply_to: UUID | None = None


_decode = msgspec.json.Decoder(SendBody).decode


def answer_send(
    services: Services, caller: Caller, trip_id: UUID, body: bytes, path: str, done: Callable[[Answer], None]
) -> None:
    """Send the message in `body`; `done` gets the answer once, now or later, on the loop.

    201 for a new message, 200 for a repeat of one, else the problem. Never raises.
    """

    def tell(result: Delivered | BaseException) -> None:
        done(_answer(result, path))

    try:
        wanted = _read(body)
    except (ProblemError, UnicodeDecodeError, RecursionError) as error:
        tell(error)
        return
    outgoing = Outgoing(content=wanted.content, client_message_id=wanted.client_message_id, reply_to=wanted.reply_to)
    services.sender.submit(caller, trip_id, outgoing, tell)


def _answer(result: Delivered | BaseException, path: str) -> Answer:
    if isinstance(result, Delivered):
        body = encode(result.message) if result.body is None else result.body
        return Answer(200 if result.repeated else 201, body)
    # A cancelled send (the process stops) may be tried again.
    return answer_of(result if isinstance(result, Exception) else ProblemError("unavailable"), path)


def _read(body: bytes) -> SendBody:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        # "Expected `str`, got `int` - at `$.content`": the field and its fault; never the value that was sent.
        fault, _, field = str(error).partition(" - at `$.")
        raise ProblemError("invalid_body", f"{field.rstrip('`') or 'body'}: {fault}"[:200]) from error
    except msgspec.DecodeError as error:
        raise ProblemError("invalid_body") from error
