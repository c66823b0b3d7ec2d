"""Tables of retention. No foreign key leads into chat tables: holds and evidence outlive what they are about."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.base import DefaultBase
from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import Date, ForeignKey, Integer, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column


def _moment(**options: Any) -> Mapped[datetime]:
    return mapped_column(DateTimeUTC(timezone=True), **options)


class ScheduleRow(DefaultBase):
    """One version of a market's schedule; never changed after it was saved."""

    __tablename__ = "retention_schedule"
    __table_args__ = (UniqueConstraint("market", "version", name="retention_schedule_version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    market: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    saved_at: Mapped[datetime] = _moment()
    saved_by: Mapped[UUID | None]


class RuleRow(DefaultBase):
    """One rule of a version; days are counted from the latest possible end of a trip."""

    __tablename__ = "retention_rule"

    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("retention_schedule.id"), primary_key=True)
    record_class: Mapped[str] = mapped_column(Text, primary_key=True)
    minimum_days: Mapped[int] = mapped_column(Integer)
    maximum_days: Mapped[int] = mapped_column(Integer)
    basis: Mapped[str] = mapped_column(Text)
    regulator_reference: Mapped[str] = mapped_column(Text, default="")


class HoldRow(DefaultBase):
    """A legal hold; released, not removed."""

    __tablename__ = "legal_hold"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    """An id as text, or the name of a market."""
    basis: Mapped[str] = mapped_column(Text)
    review_on: Mapped[date | None] = mapped_column(Date)
    placed_at: Mapped[datetime] = _moment()
    placed_by: Mapped[UUID | None]
    released_at: Mapped[datetime | None] = _moment(nullable=True)
    released_by: Mapped[UUID | None]
    release_reason: Mapped[str | None] = mapped_column(Text)


class RunRow(DefaultBase):
    """A disposition run. `next_due` is when a sweep has to look at it again; null: nothing is left to do."""

    __tablename__ = "disposition_run"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    """daily, manual or dry."""
    for_date: Mapped[date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(Text)
    """awaiting_approval, running, quarantine, done, or withdrawn."""
    started_at: Mapped[datetime] = _moment()
    started_by: Mapped[UUID | None]
    finished_at: Mapped[datetime | None] = _moment(nullable=True)
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    expected: Mapped[float | None]
    """Rows that the forecast made likely; null: too little history."""
    approvals: Mapped[list[str]] = mapped_column(JSONB)
    next_due: Mapped[datetime | None] = _moment(nullable=True)
    sends: Mapped[int] = mapped_column(Integer, default=0)
    """How often a worker was asked since the last progress."""


class StepRow(DefaultBase):
    """One step for one class and day of a run, in the order of `place`."""

    __tablename__ = "disposition_step"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("disposition_run.id"), primary_key=True)
    record_class: Mapped[str] = mapped_column(Text, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    not_before: Mapped[datetime | None] = _moment(nullable=True)
    done_at: Mapped[datetime | None] = _moment(nullable=True)
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
