"""Receipts: move a watermark, then tell both sides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.messages.access import access_last_seq
from backend.messages.receipts import access_marked_at, access_seq_of, mark
from backend.messages.wire import frame
from backend.pipeline.services import Services
from backend.realtime import AUDIENCES, Audience, Whisper
from backend.trips.access import TripView

#: The newest message, not of the reader's own, that a watermark newly covers, with its number for each side. Only what
#: both sides have: that somebody reads the notice of their own covert call for help is nobody else's to hear.
_COVERED = """
SELECT id, seq_driver, seq_customer FROM trip_message
WHERE trip_id = $1 AND expire_on = $2 AND sender_type <> $3 AND seq_driver IS NOT NULL AND seq_customer IS NOT NULL
  AND CASE $3 WHEN 'driver' THEN seq_driver ELSE seq_customer END > $4
  AND CASE $3 WHEN 'driver' THEN seq_driver ELSE seq_customer END <= $5
ORDER BY seq_staff DESC LIMIT 1
"""
#: The same for many trips at once, of the newest mark of each person and kind.
_NEWEST = """
SELECT DISTINCT ON (r.trip_id, r.kind, p.role)
  r.trip_id, r.kind, p.role, r.user_id, r.up_to_seq, r.at, m.id, m.seq_driver, m.seq_customer
FROM trip_receipt r
JOIN trip_participant p ON p.trip_id = r.trip_id AND p.user_id = r.user_id
JOIN trip_chat c ON c.trip_id = r.trip_id
JOIN LATERAL (
  SELECT id, seq_driver, seq_customer FROM trip_message
  WHERE trip_id = r.trip_id AND expire_on = c.expire_on AND sender_type <> p.role
    AND seq_driver IS NOT NULL AND seq_customer IS NOT NULL
    AND CASE p.role WHEN 'driver' THEN seq_driver ELSE seq_customer END > p.from_seq
    AND CASE p.role WHEN 'driver' THEN seq_driver ELSE seq_customer END <= r.up_to_seq
  ORDER BY seq_staff DESC LIMIT 1) m ON true
WHERE r.trip_id = ANY($1::uuid[]) AND ($2::timestamptz IS NULL OR r.at > $2)
ORDER BY r.trip_id, r.kind, p.role, r.up_to_seq DESC
"""


class ReadMark(msgspec.Struct, rename="camel", kw_only=True):
    """Who has read up to which message, and when."""

    message_id: UUID
    seq: int
    read_by: UUID
    read_at: datetime


async def mark_read_message(services: Services, caller: Caller, trip_id: UUID, message_id: UUID) -> ReadMark:
    """Mark everything up to a message as read. Raises `trip_not_found`, `message_not_found`."""
    view = await services.views.access_own(services.pool, caller, trip_id)
    seq = await access_seq_of(services.pool, view, caller.role, message_id)
    now = await mark_up_to(services, caller, view, "read", seq)
    return ReadMark(message_id=message_id, seq=seq, read_by=caller.id, read_at=now)


async def mark_up_to(services: Services, caller: Caller, view: TripView, kind: str, seq: int) -> datetime:
    """Move the caller's `read` or `delivered` mark to `seq`; when that was done, now or long ago.

    Raises `invalid_value` for a number not given out.
    """
    if seq < 0 or seq > await access_last_seq(services.pool, view.trip_id, caller.role):
        raise ProblemError("invalid_value", "There is no event with this number.")
    now = services.clock.now()
    before = await mark(services.pool, view.trip_id, caller.id, kind, seq, now)
    if before is None:
        return await access_marked_at(services.pool, view.trip_id, caller.id, kind, seq) or now
    after = max(before, view.from_seq(caller.role))
    covered = await services.pool.fetchrow(_COVERED, view.trip_id, view.text_expire_on, caller.role, after, seq)
    if covered is not None:
        reached = (covered["seq_driver"], covered["seq_customer"])
        for told in _told(view.trip_id, kind, caller.role, caller.id, seq, now, covered["id"], reached):
            services.hub.whisper(told.trip_id, told.audience, told.frame, told.mark)
    return now


async def access_newest_marks(pool: Any, trip_ids: Sequence[UUID], since: datetime) -> list[Whisper]:
    """The newest receipts of trips among those made since then, each as it is told to either side."""
    rows = await pool.fetch(_NEWEST, list(trip_ids), since)
    return [
        told
        for trip_id, kind, role, user_id, up_to, at, message_id, *reached in rows
        for told in _told(trip_id, kind, role, user_id, up_to, at, message_id, reached)
    ]


async def access_marks_for(pool: Any, view: TripView, audience: Audience) -> list[Whisper]:
    """The newest receipts of a trip, for a client that was away and does not start from a snapshot."""
    rows = await pool.fetch(_NEWEST, [view.trip_id], None)
    floor = view.from_seq(audience)
    return [
        told
        for trip_id, kind, role, user_id, up_to, at, message_id, *reached in rows
        for told, number in zip(
            _told(trip_id, kind, role, user_id, up_to, at, message_id, reached), reached, strict=True
        )
        if told.audience == audience and number > floor
    ]


def _told(
    trip_id: UUID,
    kind: str,
    role: str,
    user_id: UUID,
    up_to: int,
    at: datetime,
    message_id: UUID,
    reached: Sequence[int],
) -> list[Whisper]:
    """A receipt as it is told to either side, by the number that the message has there.

    What orders receipts is the reader's own watermark: a released message has a late number only for its reader.
    """
    event = "message-read" if kind == "read" else "message-delivered"
    by, when = ("readBy", "readAt") if kind == "read" else ("deliveredTo", "deliveredAt")
    return [
        Whisper(
            trip_id,
            side,
            frame(event, {"messageId": message_id, "seq": number, by: user_id, when: at}),
            (f"{kind} {role}", up_to),
        )
        for side, number in zip(AUDIENCES, reached, strict=True)
    ]
