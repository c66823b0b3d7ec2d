"""Tables of the chat. Everything with text in it is sealed; everything with a day in it is partitioned by that day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, UUIDv7Base, utc_column

SHOWN = ("delivered", "masked")


class TripMessage(Base):
    """A message. `body` is what the sender wrote; `reader_body` what the other side reads where that differs."""

    __tablename__ = "trip_message"
    __table_args__ = {"postgresql_partition_by": "RANGE (expire_on)"}  # noqa: RUF012  (SQLAlchemy's own form)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expire_on: Mapped[date] = mapped_column(primary_key=True)
    trip_id: Mapped[UUID]
    sender_id: Mapped[UUID]
    sender_type: Mapped[str] = mapped_column(Text)
    message_type: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    reader_body: Mapped[bytes | None] = mapped_column(LargeBinary)
    quick_message_template: Mapped[str | None] = mapped_column(Text)
    media_url: Mapped[str | None] = mapped_column(Text)
    client_message_id: Mapped[UUID | None]
    content_mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    reply_to: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    seq_driver: Mapped[int | None] = mapped_column(BigInteger)
    seq_customer: Mapped[int | None] = mapped_column(BigInteger)
    seq_staff: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = utc_column()


class TripEvent(Base):
    """A numbered event; the outbox of chat. A null number: that audience does not see it."""

    __tablename__ = "trip_event"
    __table_args__ = {"postgresql_partition_by": "RANGE (expire_on)"}  # noqa: RUF012

    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq_staff: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    expire_on: Mapped[date] = mapped_column(primary_key=True)
    seq_driver: Mapped[int | None] = mapped_column(BigInteger)
    seq_customer: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    message_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    at: Mapped[datetime] = utc_column()


class TripVerdict(Base):
    """The machine's answer on a message: codes, scores and spans, never text."""

    __tablename__ = "trip_verdict"
    __table_args__ = {"postgresql_partition_by": "RANGE (expire_on)"}  # noqa: RUF012

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    expire_on: Mapped[date] = mapped_column(primary_key=True)
    trip_id: Mapped[UUID]
    outcome: Mapped[str] = mapped_column(Text)
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    labels: Mapped[dict[str, float]] = mapped_column(JSONB)
    signals: Mapped[list[Any]] = mapped_column(JSONB)
    policy: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = utc_column()


class TripReceipt(Base):
    """Somebody has stored or read everything up to a number of their own audience."""

    __tablename__ = "trip_receipt"

    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    up_to_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = utc_column()


class MessageTemplate(UUIDv7Base):
    """A quick message in one language for one audience. Only `published` ones reach a phone."""

    __tablename__ = "message_template"

    template_key: Mapped[str] = mapped_column(Text)
    language_code: Mapped[str] = mapped_column(Text, default="en")
    audience: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    message_text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, default="draft")
    is_active: Mapped[bool] = mapped_column(default=False)
    reviewed_by_native: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = utc_column()
    updated_at: Mapped[datetime] = utc_column()
