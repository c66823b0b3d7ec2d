"""Tables of wrapped keys, in a schema of their own so that their backups can be short-lived."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Date, ForeignKey, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, utc_column

SCHEMA = "keys"


class KeyEncryptionKey(Base):
    """Wraps the data keys of one market, record class and day; wrapped itself by the key provider."""

    __tablename__ = "key_encryption_key"
    __table_args__ = (
        UniqueConstraint("market", "record_class", "day", name="uq_key_encryption_key_market_record_class_day"),
        {"schema": SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    market: Mapped[str] = mapped_column(Text)
    record_class: Mapped[str] = mapped_column(Text)
    day: Mapped[date] = mapped_column(Date)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The key under the provider's root key; NULL once destroyed."""
    created_at: Mapped[datetime] = utc_column()
    destroyed_at: Mapped[datetime | None] = utc_column(nullable=True)


class DataKeyRow(Base):
    """The key of one sender's words in one trip."""

    __tablename__ = "data_key"
    __table_args__ = ({"schema": SCHEMA},)

    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    sender_id: Mapped[UUID] = mapped_column(primary_key=True)
    kek_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.key_encryption_key.id"), index=True)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The key under its key-encryption key; NULL once destroyed."""
    created_at: Mapped[datetime] = utc_column()
    destroyed_at: Mapped[datetime | None] = utc_column(nullable=True)
