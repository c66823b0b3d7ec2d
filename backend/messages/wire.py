"""The flat message object and the frames, exactly as clients see them (see "Trip chat" in backend/README.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.messages.receipts import Marks
from backend.realtime import Audience, Numbered
from backend.trips.access import TripView

encode = msgspec.json.Encoder().encode


class Message(msgspec.Struct, kw_only=True):
    """A message as its reader sees it; `content` is None once it was removed, or when its key is destroyed."""

    id: UUID
    trip_id: UUID
    sender_id: UUID
    sender_type: str
    message_type: str
    content: str | None
    media_url: str | None
    quick_message_template: str | None
    is_read: bool
    read_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    seq: int | None
    client_message_id: UUID | None
    reply_to: UUID | None
    status: str
    sender_name: str = msgspec.field(name="senderName")
    timestamp: datetime
    change: str | msgspec.UnsetType = msgspec.UNSET
    message_seq: int | msgspec.UnsetType | None = msgspec.UNSET


class Opened(NamedTuple):
    """A stored message with its texts opened: as written, and as the other side reads it where that differs."""

    id: UUID
    trip_id: UUID
    sender_id: UUID
    sender_type: str
    message_type: str
    body: str | None
    reader_body: str | None
    quick_message_template: str | None
    media_url: str | None
    client_message_id: UUID | None
    reply_to: UUID | None
    status: str
    reason: str | None
    seq_driver: int | None
    seq_customer: int | None
    seq_staff: int
    created_at: datetime

    def seq_for(self, audience: str) -> int | None:
        """The number under which an audience first saw it."""
        if audience == "driver":
            return self.seq_driver
        return self.seq_customer if audience == "customer" else self.seq_staff

    def content_for(self, audience: str) -> str | None:
        """What an audience reads. Staff reads what was written, also when it was removed."""
        if audience == "staff":
            return self.body
        if self.status == "removed":
            return None
        written_for = "driver" if self.sender_type == "system" else self.sender_type
        if audience == written_for or self.reader_body is None:
            return self.body
        return self.reader_body


def flat(message: Opened, audience: str, view: TripView, marks: Marks, *, seq: int | None = None) -> Message:
    """The flat object for one audience; `seq` overrides its own number (an update carries the update's)."""
    peer = {"driver": "customer", "customer": "driver"}.get(message.sender_type)
    peer_seq = message.seq_for(peer) if peer else None
    read_at, delivered_at = marks.of(peer, peer_seq)
    return Message(
        id=message.id,
        trip_id=message.trip_id,
        sender_id=message.sender_id,
        sender_type=message.sender_type,
        message_type=message.message_type,
        content=message.content_for(audience),
        media_url=message.media_url,
        quick_message_template=message.quick_message_template,
        is_read=read_at is not None,
        read_at=read_at,
        delivered_at=delivered_at,
        created_at=message.created_at,
        seq=message.seq_for(audience) if seq is None else seq,
        client_message_id=message.client_message_id,
        reply_to=message.reply_to,
        status=message.status,
        sender_name=view.name_of(message.sender_type),
        timestamp=message.created_at,
    )


def frame(event: str, data: Any) -> bytes:
    """`{"event": ..., "data": ...}` in UTF-8."""
    return encode({"event": event, "data": data})


def new_frame(body: bytes) -> bytes:
    """The frame of a new message around its object, which is encoded already."""
    return b'{"event":"new-message","data":' + body + b"}"


def message_frame(kind: str, message: Opened, audience: Audience, view: TripView, marks: Marks, seq: int) -> Numbered:
    """The frame of a numbered event about a message: `new-message`, or `message-updated` with what changed."""
    shown = flat(message, audience, view, marks, seq=seq)
    if kind == "new":
        return Numbered(seq, frame("new-message", shown))
    shown.change = kind
    shown.message_seq = message.seq_for(audience)
    return Numbered(seq, frame("message-updated", shown))


def plain_frame(kind: str, payload: dict[str, Any], trip_id: UUID, seq: int, at: datetime) -> Numbered:
    """The frame of a numbered event without a message: a trip's status, a declared emergency."""
    name = "emergency-declared" if kind == "emergency" else "trip-status"
    return Numbered(seq, frame(name, {"tripId": trip_id, **payload, "timestamp": at, "seq": seq}))
