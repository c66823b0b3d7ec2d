"""Tables of policies: the versions, the acts, and where a shadow would have said otherwise."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, utc_column

ACTIVATE, SHADOW = "activate", "shadow"


class PolicyVersion(Base):
    """A policy as it was imported; never changed. `document` is the file byte for byte, `digest` what verdicts name."""

    __tablename__ = "policy_version"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(Text, unique=True)
    digest: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str] = mapped_column(Text)
    #: None: from a terminal, without an account.
    account_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = utc_column()


class PolicyAct(Base):
    """Somebody put a version in force, or beside it. The newest of each kind holds; a shadow without one is none."""

    __tablename__ = "policy_act"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    act: Mapped[str] = mapped_column(Text)
    version_id: Mapped[UUID | None] = mapped_column(ForeignKey("policy_version.id"))
    reason: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID | None]
    at: Mapped[datetime] = utc_column()


class PolicyDifference(Base):
    """A message on which the shadow would have said something else than the policy in force; never its text.

    `policy` and `shadow` are "version:digest". It ends with the message's verdict, or earlier.
    """

    __tablename__ = "policy_difference"
    __table_args__ = (
        Index("policy_difference_shadow", "shadow", "at"),
        Index("policy_difference_expire", "expire_on"),
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    trip_id: Mapped[UUID]
    policy: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    shadow: Mapped[str] = mapped_column(Text)
    shadow_outcome: Mapped[str] = mapped_column(Text)
    shadow_flags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    at: Mapped[datetime] = utc_column()
    expire_on: Mapped[date]
