"""Tables of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, utc_column


class AppUser(Base):
    """A driver or rider, as the platform told us."""

    __tablename__ = "app_user"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, default="")
    locale: Mapped[str] = mapped_column(Text, default="en")
    rating: Mapped[float | None]
    #: Empty: devices are in `push_device`. Kept as long as code that writes it may run beside this.
    devices: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    phone_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    emergency_contacts_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    suspended_until: Mapped[datetime | None] = utc_column()
    tokens_valid_from: Mapped[datetime | None] = utc_column()
    updated_at: Mapped[datetime] = utc_column()


class StaffAccount(Base):
    """A person of the safety team. `password_hash` is Argon2id, or nothing for people who sign in elsewhere."""

    __tablename__ = "staff_account"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = utc_column()
    last_sign_in_at: Mapped[datetime | None] = utc_column()


class RevokedToken(Base):
    """A token that was taken back before it expired."""

    __tablename__ = "revoked_token"

    token_id: Mapped[str] = mapped_column(Text, primary_key=True)
    revoked_at: Mapped[datetime] = utc_column()
    expires_at: Mapped[datetime] = utc_column()


class WsTicket(Base):
    """A single-use ticket for the socket; only its hash is kept."""

    __tablename__ = "ws_ticket"

    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID]
    role: Mapped[str] = mapped_column(Text)
    trip_id: Mapped[UUID]
    token_id: Mapped[str] = mapped_column(Text)
    token_issued_at: Mapped[datetime] = utc_column()
    expires_at: Mapped[datetime] = utc_column()
