"""Receipts: move a watermark, then tell both sides."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.messages.access import access_last_seq
from backend.messages.receipts import access_seq_of, mark
from backend.messages.wire import frame
from backend.pipeline.services import Services
from backend.realtime import AUDIENCES
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
    """Move the caller's `read` or `delivered` mark to `seq`. Raises `invalid_value` for a number not given out."""
    if seq < 0 or seq > await access_last_seq(services.pool, view.trip_id, caller.role):
        raise ProblemError("invalid_value", "There is no event with this number.")
    now = services.clock.now()
    before = await mark(services.pool, view.trip_id, caller.id, kind, seq, now)
    if before is None:
        return now
    after = max(before, view.from_seq(caller.role))
    covered = await services.pool.fetchrow(_COVERED, view.trip_id, view.text_expire_on, caller.role, after, seq)
    if covered is not None:
        event = "message-read" if kind == "read" else "message-delivered"
        by, at = ("readBy", "readAt") if kind == "read" else ("deliveredTo", "deliveredAt")
        for side, number in zip(AUDIENCES, (covered["seq_driver"], covered["seq_customer"]), strict=True):
            data = {"messageId": covered["id"], "seq": number, by: caller.id, at: now}
            services.hub.whisper(view.trip_id, side, frame(event, data))
    return now
