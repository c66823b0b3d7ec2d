"""A trip's conversation as staff read it: the flat messages with their verdicts, and the trip around them.

Every caller records the opening first (`service.open_conversation`): there is no other way in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.keys import Keyring
from backend.messages.access import access_changes, access_epoch, access_last_seq, access_message, access_rows, opened
from backend.messages.models import TripMessage, TripVerdict
from backend.messages.receipts import Marks, access_marks
from backend.messages.wire import Message, Opened, flat
from backend.reviews.live import Person
from backend.trips.access import TripView, access_trip, access_view
from backend.trips.models import Trip

#: Messages that one answer shows at most, the newest of the trip; a case's own messages come beside them.
SHOWN = 200


class SignalView(msgspec.Struct, frozen=True):
    """One measurement; `spans` are code points [from, to) of the text as written."""

    code: str
    score: float
    spans: list[tuple[int, int]]


class VerdictView(msgspec.Struct, frozen=True):
    """The machine's answer on one message."""

    outcome: str
    flags: list[str]
    labels: dict[str, float]
    signals: list[SignalView]
    policy: str
    model: str
    at: datetime


class StaffMessage(Message, kw_only=True):
    """The flat message object as it was written; `masked_content` is what the other side reads where that differs."""

    masked_content: str | None
    reason: str | None
    verdict: VerdictView | None


class TripDetail(msgspec.Struct, frozen=True):
    """A trip as staff see it."""

    id: UUID
    market: str
    status: str
    driver: Person
    customer: Person
    vehicle: dict[str, Any] | None
    pickup: Any
    destination: Any
    location: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class Conversation(msgspec.Struct, frozen=True):
    """Messages oldest first; `last_seq` and `epoch` let the reader ask for what comes next."""

    messages: list[StaffMessage]
    last_seq: int
    epoch: str


async def access_trip_detail(session: AsyncSession, trip_id: UUID) -> TripDetail:
    """The trip. Raises `trip_not_found`."""
    trip = await access_trip(session, trip_id)
    return _detail(trip)


def _detail(trip: Trip) -> TripDetail:
    return TripDetail(
        id=trip.id,
        market=trip.market,
        status=trip.status,
        driver=Person(trip.driver_id, trip.driver_name, trip.driver_rating),
        customer=Person(trip.customer_id, trip.customer_name, trip.customer_rating),
        vehicle=trip.vehicle,
        pickup=trip.pickup,
        destination=trip.destination,
        location=trip.location,
        created_at=trip.created_at,
        started_at=trip.started_at,
        ended_at=trip.ended_at,
    )


async def access_conversation(
    session: AsyncSession,
    pool: Any,
    keyring: Keyring,
    trip_id: UUID,
    *,
    after_seq: int | None = None,
    also: Sequence[UUID] = (),
    limit: int = SHOWN,
) -> Conversation:
    """The newest messages, or those after `after_seq` (with older ones that changed since), and those in `also`.

    Raises `trip_not_found`.
    """
    view = await access_view(pool, trip_id)
    # The number first: a message that arrives in between is shown now and again, never missed.
    last_seq = await access_last_seq(pool, trip_id, "staff")
    if after_seq is None:
        rows = await access_rows(pool, view, "staff", limit=limit)
    else:
        rows = await access_changes(pool, view, "staff", after_seq, limit=limit)
    # A message that changed twice is shown once, as it is now.
    shown = [await opened(keyring, row) for row in {row["id"]: row for row in rows}.values()]
    known = {message.id for message in shown}
    shown += [await access_message(pool, keyring, view, one) for one in also if one not in known]
    shown.sort(key=lambda message: message.seq_staff)
    verdicts = await _verdicts(session, view, [message.id for message in shown])
    marks = await access_marks(pool, view)
    messages = [_staff_message(message, view, marks, verdicts.get(message.id)) for message in shown]
    if after_seq is not None and len(rows) >= limit:
        last_seq = rows[-1]["number"]
    return Conversation(messages, last_seq, await access_epoch(pool))


async def _verdicts(session: AsyncSession, view: TripView, ids: list[UUID]) -> dict[UUID, VerdictView]:
    rows = await session.scalars(
        select(TripVerdict).where(TripVerdict.message_id.in_(ids), TripVerdict.expire_on == view.verdict_expire_on)
    )
    return {row.message_id: _verdict(row) for row in rows}


def _verdict(row: TripVerdict) -> VerdictView:
    signals = [
        SignalView(signal["code"], signal["score"], [tuple(signal["span"])] if signal.get("span") else [])
        for signal in row.signals
    ]
    return VerdictView(row.outcome, row.flags, row.labels, signals, row.policy, row.model, row.at)


def _staff_message(message: Opened, view: TripView, marks: Marks, verdict: VerdictView | None) -> StaffMessage:
    base = flat(message, "staff", view, marks)
    return StaffMessage(
        **{name: getattr(base, name) for name in Message.__struct_fields__},
        masked_content=message.reader_body if message.status == "masked" else None,
        reason=message.reason,
        verdict=verdict,
    )


async def access_statuses(session: AsyncSession, trip_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The status of each of these messages that is of this trip and still there. Raises `trip_not_found`."""
    trip = await access_trip(session, trip_id)
    rows = await session.execute(
        select(TripMessage.id, TripMessage.status).where(
            TripMessage.id.in_(ids), TripMessage.expire_on == trip.text_expire_on, TripMessage.trip_id == trip_id
        )
    )
    return {row.id: row.status for row in rows}


async def access_spans(session: AsyncSession, trip_id: UUID, message_id: UUID) -> list[tuple[int, int]]:
    """Where the signals of a message's verdict point (code points); empty when none of them points anywhere."""
    trip = await access_trip(session, trip_id)
    verdict = await session.get(TripVerdict, (message_id, trip.verdict_expire_on))
    if verdict is None or verdict.trip_id != trip_id:
        return []
    spans = [signal.get("span") for signal in verdict.signals]
    return sorted({(int(span[0]), int(span[1])) for span in spans if span})
