"""Frames that clients send: `{"event": ..., "data": {...}}`, strict in form, kind in what they leave out."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.errors import ProblemError

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Envelope(msgspec.Struct):
    event: Annotated[str, msgspec.Meta(max_length=40)]
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Auth(msgspec.Struct, kw_only=True):
    ticket: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    token: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    epoch: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    since: Number | None = None


class MessageFrame(msgspec.Struct, rename="camel", kw_only=True):
    content: str
    message_type: Literal["text"] = "text"
    client_message_id: UUID | None = None
    reply_to: UUID | None = None


class QuickFrame(msgspec.Struct, rename="camel", kw_only=True):
    template_key: Annotated[str, msgspec.Meta(max_length=100)]
    client_message_id: UUID | None = None


class MarkFrame(msgspec.Struct, rename="camel", kw_only=True):
    seq: Number | None = None
    message_id: UUID | None = None


class Bare(msgspec.Struct):
    """`typing` and `ping` carry nothing that we need."""


_envelope = msgspec.json.Decoder(Envelope)
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "auth": msgspec.json.Decoder(Auth),
    "message": msgspec.json.Decoder(MessageFrame),
    "quick": msgspec.json.Decoder(QuickFrame),
    "read": msgspec.json.Decoder(MarkFrame),
    "delivered": msgspec.json.Decoder(MarkFrame),
    "typing": msgspec.json.Decoder(msgspec.Raw),
    "ping": msgspec.json.Decoder(msgspec.Raw),
}


class Unreadable(ProblemError):
    """A frame that could not be read; `client_message_id` when at least that could."""

    def __init__(self, code: str, detail: str, client_message_id: UUID | None = None) -> None:
        super().__init__(code, detail)
        self.client_message_id = client_message_id


def read_frame(raw: str | bytes) -> tuple[str, Any]:
    """(event, its struct). Raises `Unreadable`: `invalid_frame`, `unknown_event`, `invalid_body`."""
    try:
        envelope = _envelope.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable("invalid_frame", "The frame is not a JSON object with an event and its data.") from error
    decoder = _DECODERS.get(envelope.event)
    if decoder is None:
        raise Unreadable("unknown_event", "There is no such event.")
    try:
        return envelope.event, decoder.decode(envelope.data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable("invalid_body", str(error)[:200], _client_id(envelope.data)) from error


def _client_id(data: msgspec.Raw) -> UUID | None:
    """The id by which the client can find its failed message again."""
    try:
        return UUID(str(msgspec.json.decode(data, type=dict[str, Any]).get("clientMessageId")))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
