"""Tables of trips."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, utc_column

STATUSES = ("accepted", "pickup", "arriving", "in_transit", "completed", "cancelled")
ENDED = ("completed", "cancelled")


class Trip(Base):
    """A trip as the platform told us. Its expiries are fixed at creation by the schedule then in force."""

    __tablename__ = "trip"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    market: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    driver_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    driver_name: Mapped[str] = mapped_column(Text)
    customer_name: Mapped[str] = mapped_column(Text)
    driver_rating: Mapped[float | None]
    customer_rating: Mapped[float | None]
    vehicle: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    pickup: Mapped[Any] = mapped_column(JSONB, nullable=True)
    destination: Mapped[Any] = mapped_column(JSONB, nullable=True)
    location: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = utc_column()
    started_at: Mapped[datetime | None] = utc_column()
    ended_at: Mapped[datetime | None] = utc_column()
    text_expire_on: Mapped[date]
    media_expire_on: Mapped[date]
    verdict_expire_on: Mapped[date]
    updated_at: Mapped[datetime] = utc_column()


class TripChat(Base):
    """The one row that a send locks: who may write, and each audience's last number."""

    __tablename__ = "trip_chat"

    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    driver_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    expire_on: Mapped[date]
    verdict_expire_on: Mapped[date]
    closes_at: Mapped[datetime | None] = utc_column()
    driver_muted_until: Mapped[datetime | None] = utc_column()
    customer_muted_until: Mapped[datetime | None] = utc_column()
    #: Until when a chat that nobody closes is looked at for pushes; set by the database.
    push_until: Mapped[datetime] = utc_column(server_default=text("now() + interval '48 hours'"))
    seq_driver: Mapped[int] = mapped_column(BigInteger, default=0)
    seq_customer: Mapped[int] = mapped_column(BigInteger, default=0)
    seq_staff: Mapped[int] = mapped_column(BigInteger, default=0)


class TripParticipant(Base):
    """Somebody's presence in a trip. `from_seq`: what was numbered before is not theirs to read."""

    __tablename__ = "trip_participant"

    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    from_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    joined_at: Mapped[datetime] = utc_column()
    left_at: Mapped[datetime | None] = utc_column()
