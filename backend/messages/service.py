"""The only writer of messages beside the send: system lines, and what a decision does to a message.

Every function works in the caller's transaction and gives back the event to publish once that is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog, Entry
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.i18n import system_line
from backend.keys import SYSTEM_SENDER, Keyring, body_aad
from backend.messages.access import opened
from backend.messages.models import TripEvent, TripMessage, TripVerdict
from backend.messages.receipts import Marks, access_marks_in
from backend.messages.wire import Opened, message_frame, plain_frame
from backend.realtime import AUDIENCES, Audience, ChatEvent, Numbered
from backend.trips.access import VIEW, TripView
from backend.trips.models import Trip, TripChat

BOTH: frozenset[Audience] = frozenset(AUDIENCES)

_NUMBER = text(
    """
    UPDATE trip_chat SET seq_staff = seq_staff + 1,
        seq_driver = seq_driver + CASE WHEN :driver THEN 1 ELSE 0 END,
        seq_customer = seq_customer + CASE WHEN :customer THEN 1 ELSE 0 END
    WHERE trip_id = :trip_id
    RETURNING seq_staff, CASE WHEN :driver THEN seq_driver END, CASE WHEN :customer THEN seq_customer END, expire_on
    """
)
_VIEW = text(VIEW.replace("$1", ":trip_id"))


class ChatWriter:
    """Writes into chats on behalf of the system and of decisions."""

    def __init__(self, keyring: Keyring, audit: AuditLog, clock: Clock) -> None:
        self._keyring, self._audit, self._clock = keyring, audit, clock

    async def post_system_line(
        self, session: AsyncSession, trip_id: UUID, key: str, audience: frozenset[Audience] = BOTH
    ) -> ChatEvent:
        """A line of the system (`backend.i18n.SYSTEM_LINES`), each reader in their own language."""
        view = await self._view(session, trip_id)
        message_id, now = new_id(), self._clock.now()
        numbers = await self._number(session, view, audience, "new", message_id, None, now)
        texts = [system_line(key, view.locale_of(side)) for side in AUDIENCES]
        cipher = await self._keyring.get(trip_id, SYSTEM_SENDER, session)
        sealed = [
            cipher.seal(line.encode(), body_aad(trip_id, SYSTEM_SENDER, message_id, kind))
            for line, kind in zip(texts, ("text", "reader"), strict=True)
        ]
        row = TripMessage(
            id=message_id, expire_on=view.text_expire_on, trip_id=trip_id, sender_id=SYSTEM_SENDER,
            sender_type="system", message_type="system", body=sealed[0], reader_body=sealed[1],
            quick_message_template=None, status="delivered", created_at=now,
            seq_staff=numbers[0], seq_driver=numbers[1], seq_customer=numbers[2],
        )  # fmt: skip
        session.add(row)
        await session.flush()
        message = Opened(
            message_id, trip_id, SYSTEM_SENDER, "system", "system", texts[0], texts[1], None, None, None, None,
            "delivered", None, numbers[1], numbers[2], numbers[0], now,
        )  # fmt: skip
        return _about(view, "new", message, numbers, Marks())

    async def post_status(
        self, session: AsyncSession, trip_id: UUID, status: str, closes_at: datetime | None
    ) -> ChatEvent:
        """A numbered change of the trip's status; an end is the event `closed`."""
        payload: dict[str, Any] = {"status": status, "writableUntil": closes_at}
        return await self._plain(session, trip_id, "closed" if closes_at else "status", payload, BOTH)

    async def post_emergency(
        self, session: AsyncSession, trip_id: UUID, reporter_id: UUID, audience: frozenset[Audience]
    ) -> ChatEvent:
        """The numbered event `emergency-declared`, for its audience only."""
        return await self._plain(session, trip_id, "emergency", {"reporterId": str(reporter_id)}, audience)

    async def release(self, session: AsyncSession, trip_id: UUID, message_id: UUID) -> ChatEvent:
        """Let a quarantined message go: the reader gets it under a number of their own. A removed one is given back."""
        row = await self._locked(session, trip_id, message_id, "quarantined", "removed")
        view = await self._view(session, trip_id)
        # Starred out before it was removed: it comes back as the reader had it. (Of a template it is the translation.)
        starred = row.reader_body is not None and row.message_type == "text"
        row.reason = None
        return await self._change(session, view, row, "released", "masked" if starred else "delivered")

    async def mask(
        self, session: AsyncSession, trip_id: UUID, message_id: UUID, spans: Sequence[tuple[int, int]] = ()
    ) -> ChatEvent:
        """Star out `spans` (code points) for the reader, or the whole text when none are given."""
        row = await self._locked(session, trip_id, message_id, "quarantined", "delivered", "masked")
        view = await self._view(session, trip_id)
        whole = (await opened(self._keyring, vars(row))).body or ""
        starred = list(whole)
        for start, end in spans or ((0, len(whole)),):
            starred[start:end] = ["*" if not char.isspace() else char for char in starred[start:end]]
        cipher = await self._keyring.get(trip_id, row.sender_id, session)
        row.reader_body = cipher.seal("".join(starred).encode(), body_aad(trip_id, row.sender_id, message_id, "reader"))
        return await self._change(session, view, row, "masked", "masked")

    async def remove(self, session: AsyncSession, trip_id: UUID, message_id: UUID, reason: str) -> ChatEvent:
        """Take a message away from whoever has it; the reader of a quarantined one never hears of it."""
        row = await self._locked(session, trip_id, message_id, "quarantined", "delivered", "masked")
        view = await self._view(session, trip_id)
        row.reason = reason
        return await self._change(session, view, row, "removed", "removed")

    async def mute(self, session: AsyncSession, trip_id: UUID, user_id: UUID, until: datetime | None) -> None:
        """Refuse what somebody writes in this trip until `until`; None lets them write again."""
        chat = await session.get(TripChat, trip_id, with_for_update=True)
        if chat is None:
            raise ProblemError("trip_not_found")
        if chat.driver_id == user_id:
            chat.driver_muted_until = until
        elif chat.customer_id == user_id:
            chat.customer_muted_until = until

    # -- the parts -------------------------------------------------------------------------------------------------

    async def _change(
        self, session: AsyncSession, view: TripView, row: TripMessage, kind: str, status: str
    ) -> ChatEvent:
        """Number and store a change of a message, audit it, and build its event."""
        # A side that has no number of a message that was not withheld was never to see it: a covert call for help.
        to_all = kind != "removed" and await self._was_withheld(session, view, row)
        shown: set[Audience] = set()
        for side, seq in zip(AUDIENCES, (row.seq_driver, row.seq_customer), strict=True):
            # What was said to the driver before is not the present one's to read, however it changes.
            if to_all if seq is None else seq > view.from_seq(side):
                shown.add(side)
        now = self._clock.now()
        numbers = await self._number(session, view, frozenset(shown), kind, row.id, None, now)
        row.status = status
        row.seq_driver = row.seq_driver if row.seq_driver is not None else numbers[1]
        row.seq_customer = row.seq_customer if row.seq_customer is not None else numbers[2]
        await session.flush()
        await self._audit.append(
            session,
            Entry(
                event=f"message.{kind}",
                trip_id=view.trip_id,
                person_id=row.sender_id,
                private={"message_id": str(row.id)},
            ),
        )
        marks = await access_marks_in(session, view)
        return _about(view, kind, await opened(self._keyring, vars(row)), numbers, marks)

    async def _was_withheld(self, session: AsyncSession, view: TripView, row: TripMessage) -> bool:
        """Whether the judge kept this message from its reader, also when a decision has removed it since."""
        if row.status == "quarantined":
            return True
        verdict = await session.get(TripVerdict, (row.id, view.verdict_expire_on))
        return verdict is not None and verdict.outcome == "quarantine"

    async def _plain(
        self, session: AsyncSession, trip_id: UUID, kind: str, payload: dict[str, Any], audience: frozenset[Audience]
    ) -> ChatEvent:
        view, now = await self._view(session, trip_id), self._clock.now()
        numbers = await self._number(session, view, audience, kind, None, payload, now)
        parts = [
            plain_frame(kind, payload, trip_id, seq, now) if seq is not None else None
            for seq in (numbers[1], numbers[2])
        ]
        return ChatEvent(trip_id, *parts)

    async def _number(
        self,
        session: AsyncSession,
        view: TripView,
        audience: frozenset[Audience],
        kind: str,
        message_id: UUID | None,
        payload: dict[str, Any] | None,
        now: datetime,
    ) -> tuple[int, int | None, int | None]:
        """Take the next numbers and write the event row; (staff, driver, customer)."""
        sides = {side: side in audience for side in AUDIENCES}
        taken = (await session.execute(_NUMBER, {"trip_id": view.trip_id, **sides})).one()
        session.add(
            TripEvent(
                trip_id=view.trip_id,
                seq_staff=taken[0],
                expire_on=taken[3],
                seq_driver=taken[1],
                seq_customer=taken[2],
                kind=kind,
                message_id=message_id,
                payload=payload,
                at=now,
            )
        )
        return taken[0], taken[1], taken[2]

    async def _view(self, session: AsyncSession, trip_id: UUID) -> TripView:
        row = (await session.execute(_VIEW, {"trip_id": trip_id})).mappings().one_or_none()
        if row is None:
            raise ProblemError("trip_not_found")
        return TripView(**row)

    async def _locked(self, session: AsyncSession, trip_id: UUID, message_id: UUID, *states: str) -> TripMessage:
        """A message, after the lock of its trip: the order in which every writer takes them."""
        await session.execute(select(TripChat.trip_id).where(TripChat.trip_id == trip_id).with_for_update())
        found = await session.execute(
            select(TripMessage)
            .join(Trip, Trip.id == TripMessage.trip_id)
            .where(
                TripMessage.id == message_id,
                TripMessage.trip_id == trip_id,
                TripMessage.expire_on == Trip.text_expire_on,
            )
            .with_for_update(of=TripMessage)
        )
        row = found.scalar_one_or_none()
        if row is None:
            raise ProblemError("message_not_found")
        if row.status not in states:
            raise ProblemError("conflict", f"This message is {row.status} by now.")
        return row


def _about(
    view: TripView, kind: str, message: Opened, numbers: tuple[int, int | None, int | None], marks: Marks
) -> ChatEvent:
    parts: list[Numbered | None] = []
    for side, seq in zip(AUDIENCES, numbers[1:], strict=True):
        parts.append(None if seq is None else message_frame(kind, message, side, view, marks, seq))
    return ChatEvent(view.trip_id, *parts)
