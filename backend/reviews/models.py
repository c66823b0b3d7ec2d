"""Tables of the review desk. Acts are rows (signals, claims, decisions); a case's state follows from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import Base, new_id, utc_column

OPEN_STATES = "state <> 'closed'"


def _uuid(**options: Any) -> Mapped[UUID]:
    return mapped_column(PgUUID(as_uuid=True), **options)


class ReviewCase(Base):
    """The unit of review: one open case per trip and kind, into which signals and reports merge."""

    __tablename__ = "review_case"
    __table_args__ = (
        Index("review_case_one_open", "trip_id", "kind", unique=True, postgresql_where=text(OPEN_STATES)),
        Index("review_case_queue", "due_at", "id", postgresql_where=text(OPEN_STATES)),
        Index("review_case_trip", "trip_id"),
        Index("review_case_about", "about_user_id"),
        CheckConstraint("state IN ('open', 'assigned', 'referred', 'closed')", name="review_case_state"),
        CheckConstraint("severity IN ('low', 'medium', 'high', 'critical')", name="review_case_severity"),
    )

    id: Mapped[UUID] = _uuid(primary_key=True, default=new_id)
    trip_id: Mapped[UUID] = _uuid()
    market: Mapped[str] = mapped_column(String)
    kind: Mapped[str] = mapped_column(String)
    state: Mapped[str] = mapped_column(String)
    severity: Mapped[str] = mapped_column(String)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(String))
    #: Status of the trip when the case was opened.
    trip_phase: Mapped[str] = mapped_column(String)
    about_user_id: Mapped[UUID] = _uuid()
    opened_at: Mapped[datetime] = utc_column()
    due_at: Mapped[datetime] = utc_column()
    #: Least role that may claim it after it was referred; null: any moderator.
    refer_to: Mapped[str | None] = mapped_column(String)
    #: The claim that holds it now; the holder keeps it past the lease until somebody else takes it.
    claim_id: Mapped[UUID | None] = _uuid()
    claimed_by: Mapped[UUID | None] = _uuid()
    claimed_until: Mapped[datetime | None] = utc_column(nullable=True)
    closed_at: Mapped[datetime | None] = utc_column(nullable=True)


class CaseSignal(Base):
    """What made the case, or made it worse: a verdict on a message, or a participant's report. No text."""

    __tablename__ = "case_signal"
    __table_args__ = (Index("case_signal_case", "case_id"),)

    id: Mapped[UUID] = _uuid(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = _uuid()
    message_id: Mapped[UUID | None] = _uuid()
    about_user_id: Mapped[UUID] = _uuid()
    severity: Mapped[str] = mapped_column(String)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(String))
    verdict: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = utc_column()


class CaseClaim(Base):
    """One person's lease on a case, and how it ended: `decided`, `skipped`, `referred` or `expired`."""

    __tablename__ = "case_claim"
    __table_args__ = (
        Index("case_claim_case", "case_id"),
        Index("case_claim_account", "account_id", "ended_at"),
    )

    id: Mapped[UUID] = _uuid(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(PgUUID(as_uuid=True), ForeignKey("review_case.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = _uuid()
    taken_at: Mapped[datetime] = utc_column()
    heartbeat_at: Mapped[datetime] = utc_column()
    ended_at: Mapped[datetime | None] = utc_column(nullable=True)
    ended_how: Mapped[str | None] = mapped_column(String)
    reason: Mapped[str | None] = mapped_column(String)
    to_role: Mapped[str | None] = mapped_column(String)
    #: What the reviewer was shown last: `[{"id", "status"}]` in order, and its SHA-256 (hex). No text.
    seen: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB)
    seen_hash: Mapped[str | None] = mapped_column(String)


class CaseDecision(Base):
    """A human's answer. `turn` 0 decides, 1 reverses it: the primary key makes a second decision impossible."""

    __tablename__ = "case_decision"
    __table_args__ = (CheckConstraint("turn IN (0, 1)", name="case_decision_turn"),)

    case_id: Mapped[UUID] = _uuid(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[UUID] = _uuid(unique=True, default=new_id)
    claim_id: Mapped[UUID | None] = _uuid()
    account_id: Mapped[UUID] = _uuid()
    #: `[{"message_id", "outcome", "from_status"}]`
    messages: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    person: Mapped[str] = mapped_column(String)
    person_id: Mapped[UUID] = _uuid()
    policy_cited: Mapped[str] = mapped_column(String)
    rationale_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    seen: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB)
    seen_hash: Mapped[str | None] = mapped_column(String)
    at: Mapped[datetime] = utc_column()


class Enforcement(Base):
    """The effect of a decision on a person. A timed one ends by itself at `until`; nobody has to lift it."""

    __tablename__ = "enforcement"
    __table_args__ = (
        Index("enforcement_user", "user_id", "trip_id"),
        CheckConstraint("kind IN ('warn', 'mute', 'suspend')", name="enforcement_kind"),
    )

    id: Mapped[UUID] = _uuid(primary_key=True, default=new_id)
    #: `<decision id>:<kind>`: applying a decision twice has one effect.
    idempotency_key: Mapped[str] = mapped_column(String, unique=True)
    decision_id: Mapped[UUID] = _uuid()
    case_id: Mapped[UUID] = _uuid()
    trip_id: Mapped[UUID] = _uuid()
    user_id: Mapped[UUID] = _uuid()
    kind: Mapped[str] = mapped_column(String)
    applied_at: Mapped[datetime] = utc_column()
    until: Mapped[datetime | None] = utc_column(nullable=True)
    lifted_at: Mapped[datetime | None] = utc_column(nullable=True)


class TripAccess(Base):
    """Somebody of staff opened a trip's conversation, and why; its participants may read this."""

    __tablename__ = "trip_access"
    __table_args__ = (
        Index("trip_access_trip", "trip_id", "at"),
        Index("trip_access_once", "trip_id", "account_id", "purpose", "at"),
    )

    id: Mapped[UUID] = _uuid(primary_key=True, default=new_id)
    trip_id: Mapped[UUID] = _uuid()
    account_id: Mapped[UUID] = _uuid()
    role: Mapped[str] = mapped_column(String)
    purpose: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = utc_column()
