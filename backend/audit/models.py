"""Tables of the log. Rows of `audit_entry` are never changed, except that an erasure blanks their private half."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, utc_column
from backend.keys.models import KeyEncryptionKey


class AuditIntake(Base):
    """Entries that are committed and wait for their place in the tree."""

    __tablename__ = "audit_intake"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    event: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = utc_column()
    private_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    audit_key_id: Mapped[UUID | None]
    trip_mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    person_mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    staff_mac: Mapped[bytes | None] = mapped_column(LargeBinary)


class AuditEntry(Base):
    """Entries in the order of the tree."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_event", "event", "entry_index"),
        Index("ix_audit_entry_at", "at"),
        Index("ix_audit_entry_audit_key_id", "audit_key_id", postgresql_where=text("audit_key_id IS NOT NULL")),
        *(
            Index(f"ix_audit_entry_{mac}", mac, "entry_index", postgresql_where=text(f"{mac} IS NOT NULL"))
            for mac in ("trip_mac", "person_mac", "staff_mac")
        ),
    )

    entry_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Place in the tree, from 0, without a gap."""
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    """Canonical JSON: the truth. `event` and `at` repeat parts of it for searching; the verifier compares them."""
    event: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = utc_column()
    private_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Salt (32 bytes) and canonical private part, sealed; NULL when there is none or when it was erased."""
    audit_key_id: Mapped[UUID | None]
    """Key that sealed it; no foreign key, entries outlive keys."""
    trip_mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Blind index of the trip: 16 bytes of an HMAC of its id. Likewise `person_mac` and `staff_mac`."""
    person_mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    staff_mac: Mapped[bytes | None] = mapped_column(LargeBinary)


class AuditProducer(Base):
    """Every life of every process that appends: how far its numbers are closed, and when it was last seen."""

    __tablename__ = "audit_producer"
    __table_args__ = (Index("ix_audit_producer_seen_at", "seen_at", postgresql_where=text("ended_at IS NULL")),)

    boot: Mapped[str] = mapped_column(Text, primary_key=True)
    producer: Mapped[str] = mapped_column(Text)
    closed_up_to: Mapped[int] = mapped_column(BigInteger)
    """Every number up to this one is in the log or in the intake, by the producer's own account."""
    seen_at: Mapped[datetime] = utc_column()
    ended_at: Mapped[datetime | None] = utc_column(nullable=True)
    """When it ended in good order, or was found dead and its lost numbers were closed."""


class AuditTile(Base):
    """256-wide tiles of the tree (C2SP tlog-tiles): `hashes` holds 1-256 hashes of 32 bytes, of height 8 * `level`."""

    __tablename__ = "audit_tile"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    tile_index: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class AuditState(Base):
    """The tree as the sequencer left it: one row."""

    __tablename__ = "audit_state"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    tree_size: Mapped[int] = mapped_column(BigInteger)
    root_hash: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime] = utc_column()


class AuditCheckpoint(Base):
    """Signed statements about the tree. The key makes a second root for one size impossible here."""

    __tablename__ = "audit_checkpoint"

    tree_size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root_hash: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    """C2SP checkpoint: origin, size, root in base64, signature line."""
    signed_at: Mapped[datetime] = utc_column()


class AuditKeyRow(Base):
    """Keys of the private halves: one per subject, record class and month."""

    __tablename__ = "audit_key"
    __table_args__ = (
        UniqueConstraint("subject_mac", "record_class", "period", name="uq_audit_key_subject_mac_record_class_period"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_mac: Mapped[bytes] = mapped_column(LargeBinary)
    """Blind index of the subject, 16 bytes."""
    record_class: Mapped[str] = mapped_column(Text)
    period: Mapped[date] = mapped_column(Date)
    """First day of the month in which it seals."""
    kek_id: Mapped[UUID] = mapped_column(ForeignKey(KeyEncryptionKey.id), index=True)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = utc_column()
    destroyed_at: Mapped[datetime | None] = utc_column(nullable=True)
