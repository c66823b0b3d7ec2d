"""The one answer to a message, from its bytes: the routes and the short way both give it.

`POST /api/trips/{tripId}/messages` and `.../messages/quick`. 201 for a new message, 200 for a repeat of one, else the
problem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec

from backend.accounts.caller import Caller
from backend.api.problems import Answer, answer_of
from backend.errors import ProblemError
from backend.messages.templates import EMERGENCY_KEY
from backend.messages.wire import encode
from backend.pipeline.sending import Delivered, Outgoing
from backend.pipeline.services import Services


class SendBody(msgspec.Struct, rename="camel", kw_only=True):
    """A message to send."""

    content: str
    message_type: Literal["text"] = "text"
    client_message_id: UUID | None = None
    reply_to: UUID | None = None


class QuickBody(msgspec.Struct, rename="camel", kw_only=True):
    """A quick message to send, by its key."""

    template_key: Annotated[str, msgspec.Meta(max_length=100)]
    client_message_id: UUID | None = None


Body = TypeVar("Body")
#: Gets the answer once, now or later, on the loop.
Done = Callable[[Answer], None]

_decode_send = msgspec.json.Decoder(SendBody).decode
_decode_quick = msgspec.json.Decoder(QuickBody).decode


def answer_send(services: Services, caller: Caller, trip_id: UUID, body: bytes, path: str, done: Done) -> None:
    """Send the message in `body`. Never raises."""
    wanted = _read(_decode_send, body, path, done)
    if wanted is not None:
        outgoing = Outgoing(
            content=wanted.content, client_message_id=wanted.client_message_id, reply_to=wanted.reply_to
        )
        services.sender.submit(caller, trip_id, outgoing, _telling(path, done))


def answer_quick(
    services: Services, caller: Caller, trip_id: UUID, body: bytes, path: str, done: Done
) -> QuickBody | None:
    """Send the template in `body`. Never raises.

    The call for help is not for here: it is handed back, with nothing done, because it is pressed before it is sent.
    """
    wanted = _read(_decode_quick, body, path, done)
    if wanted is None:
        return None
    if wanted.template_key == EMERGENCY_KEY:
        return wanted
    outgoing = Outgoing(template_key=wanted.template_key, client_message_id=wanted.client_message_id)
    services.sender.submit(caller, trip_id, outgoing, _telling(path, done))
    return None


def _telling(path: str, done: Done) -> Callable[[Delivered | BaseException], None]:
    return lambda result: done(_answer(result, path))


def _answer(result: Delivered | BaseException, path: str) -> Answer:
    if isinstance(result, Delivered):
        body = encode(result.message) if result.body is None else result.body
        return Answer(200 if result.repeated else 201, body)
    # A cancelled send (the process stops) may be tried again.
    return answer_of(result if isinstance(result, Exception) else ProblemError("unavailable"), path)


def _read(decode: Callable[[bytes], Body], body: bytes, path: str, done: Done) -> Body | None:
    """The body; None when it was none, and that is answered."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        # "Expected `str`, got `int` - at `$.content`": the field and its fault; never the value that was sent.
        fault, _, field = str(error).partition(" - at `$.")
        problem = ProblemError("invalid_body", f"{field.rstrip('`') or 'body'}: {fault}"[:200])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = ProblemError("invalid_body")
    done(answer_of(problem, path))
    return None
