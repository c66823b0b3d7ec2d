"""The only writer of schedules, holds and runs. Each method is one use case in the caller's transaction, except
`advance`, which commits step by step. Everything leaves an audit entry in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog, Entry
from backend.clock import Clock
from backend.db import Database, new_id
from backend.errors import ProblemError
from backend.keys import Keyring
from backend.records.classes import held_trips, record_classes
from retention.disposition import Disposer, Point, Status
from retention.holds import SCOPES, LegalHold, Scope
from retention.models import HoldRow, RuleRow, RunRow, ScheduleRow, StepRow
from retention.runs import Kind, approve_run, start_run
from retention.schedule import RetentionRule, RetentionSchedule
from retention.standing import Standing, hold_of

#: The detail of a certificate names at most so many days; more are in the run's own rows.
CERTIFIED_DAYS = 100


class Parts(Protocol):
    """What retention needs of a process's services."""

    @property
    def db(self) -> Database: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def audit(self) -> AuditLog: ...
    @property
    def clock(self) -> Clock: ...


async def _no_point(name: str) -> None:
    return None


@dataclass(frozen=True)
class HoldDraft:
    """A hold to be placed. `target`: a trip's, person's or case's id, or a market's name."""

    scope: str
    target: str
    basis: str
    review_on: date | None = None


class RetentionDesk:
    """Schedules, holds and runs of one process. `moved` hears of trips whose records went to another day."""

    def __init__(
        self, parts: Parts, *, point: Point = _no_point, moved: Callable[[Collection[UUID]], None] = lambda trips: None
    ) -> None:
        self._audit, self._clock = parts.audit, parts.clock
        self.standing = Standing(held_trips)
        self.disposer = Disposer(
            sessions=parts.db.session,
            classes=record_classes(parts.keyring, self.standing, parts.audit, parts.clock),
            clock=parts.clock,
            standing=self.standing,
            certify=self._certify,
            moved=moved,
            point=point,
        )

    async def save_rule(
        self, session: AsyncSession, market: str, rule: RetentionRule, account_id: UUID | None
    ) -> RetentionSchedule:
        """A new version of a market's schedule with this rule; trips made from now on follow it."""
        if not 1 <= len(market) <= 40 or not market.isprintable() or market != market.strip():
            raise ProblemError("invalid_value", "A market has a name of 1 to 40 characters.")
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('retention_schedule', 0))"))
        now = self._clock.now()
        before = await self.standing.schedule(session, market)
        latest = await session.scalar(select(func.max(ScheduleRow.version)).where(ScheduleRow.market == market))
        after = before.with_rule(rule, now)
        row = ScheduleRow(id=new_id(), market=market, version=(latest or 0) + 1, saved_at=now, saved_by=account_id)
        session.add(row)
        await session.flush()
        session.add_all(
            RuleRow(
                schedule_id=row.id,
                record_class=each.record_class,
                minimum_days=each.minimum_days,
                maximum_days=each.maximum_days,
                basis=each.basis,
                regulator_reference=each.regulator_reference,
            )
            for each in after.rules
        )
        old = before.rule(rule.record_class)
        private: dict[str, Any] = {
            "market": market,
            "record_class": rule.record_class,
            "version": row.version,
            "before": [old.minimum_days, old.maximum_days, old.basis],
            "after": [rule.minimum_days, rule.maximum_days, rule.basis],
        }
        await self._audit.append(session, Entry(event="schedule.saved", staff_id=account_id, private=private))
        return RetentionSchedule(market, row.version, after.rules, now)

    async def place_hold(self, session: AsyncSession, draft: HoldDraft, account_id: UUID | None) -> LegalHold:
        """Place a hold; it stops every disposition that has not yet destroyed what it covers."""
        target = _checked_target(draft)
        now = self._clock.now()
        row = HoldRow(
            id=new_id(),
            scope=draft.scope,
            target=target,
            basis=draft.basis.strip(),
            review_on=draft.review_on,
            placed_at=now,
            placed_by=account_id,
        )
        session.add(row)
        await session.flush()
        await self._audit.append(session, self._hold_entry("hold.placed", row, account_id, row.basis))
        return hold_of(row)

    async def release_hold(
        self, session: AsyncSession, hold_id: UUID, reason: str, account_id: UUID | None
    ) -> tuple[LegalHold, set[UUID]]:
        """Release a hold. What no other hold covers expires tomorrow, or at its minimum.

        Returns the hold and the trips whose records went to another day. Raises `not_found`, `conflict`.
        """
        row = await session.get(HoldRow, hold_id, with_for_update=True)
        if row is None:
            raise ProblemError("not_found")
        if row.released_at is not None:
            raise ProblemError("conflict", "This hold is already released.")
        row.released_at, row.released_by, row.release_reason = self._clock.now(), account_id, reason
        await session.flush()
        await self._audit.append(session, self._hold_entry("hold.released", row, account_id, reason))
        moved = await self.disposer.return_released(session, self._clock.now().date())
        return hold_of(row), moved

    async def start(
        self, session: AsyncSession, kind: Kind, *, today: date | None = None, account_id: UUID | None = None
    ) -> RunRow:
        """Plan a run for `today` (default: the clock's). A dry run is finished with that, and may look ahead."""
        now = self._clock.now()
        today = today or now.date()
        if today > now.date() and kind != "dry":
            raise ProblemError("invalid_value", "What is due on a day to come cannot be disposed of before it.")
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('disposition_run', 0))"))
        if kind != "dry":
            await self.disposer.return_released(session, today)
        run = await start_run(self.disposer, session, kind=kind, today=today, by=account_id)
        private: dict[str, Any] = {"run": str(run.id), "kind": kind, "for_date": str(today), "expected": run.expected}
        entry = Entry(
            event="disposition.planned", outcome=run.status, counts=run.counts, staff_id=account_id, private=private
        )
        await self._audit.append(session, entry)
        return run

    async def approve(self, session: AsyncSession, run_id: UUID, account_id: UUID) -> RunRow:
        """One of the two approvals of a run that is far from the usual. Raises `not_found`."""
        run = await approve_run(self.disposer, session, run_id, account_id)
        if run is None:
            raise ProblemError("not_found", "No run waits for an approval under this id.")
        entry = Entry(
            event="disposition.approved",
            outcome=run.status,
            counts={"approvals": len(run.approvals)},
            staff_id=account_id,
            private={"run": str(run_id)},
        )
        await self._audit.append(session, entry)
        return run

    async def advance(self, run_id: UUID) -> Status:
        """Do whatever of a run can be done now."""
        return await self.disposer.advance(run_id)

    async def note_export(
        self, session: AsyncSession, first: date, last: date, form: str, account_id: UUID | None
    ) -> None:
        """Somebody took a report away."""
        private: dict[str, Any] = {"report": "retention", "from": str(first), "to": str(last), "format": form}
        await self._audit.append(session, Entry(event="report.exported", staff_id=account_id, private=private))

    async def _certify(self, session: AsyncSession, run: RunRow, steps: Sequence[StepRow]) -> None:
        """The certificate: what was destroyed, of which class and day, how many keys fell."""
        days: list[Any] = [
            [step.record_class, str(step.day), step.counts.get("disposed", 0), step.counts.get("held", 0)]
            for step in steps
            if step.name == "drop"
        ]
        private: dict[str, Any] = {
            "run": str(run.id),
            "for_date": str(run.for_date),
            "days": days[:CERTIFIED_DAYS],
            "approvals": run.approvals,
        }
        await self._audit.append(session, Entry(event="disposition.done", counts=run.counts, private=private))
        keys = sum(step.counts.get("keys", 0) for step in steps)
        if keys:
            await self._audit.append(
                session, Entry(event="key.destroyed", counts={"keys": keys}, private={"run": str(run.id)})
            )

    @staticmethod
    def _hold_entry(event: str, row: HoldRow, account_id: UUID | None, reason: str) -> Entry:
        private: dict[str, Any] = {"hold": str(row.id), "scope": row.scope, "target": row.target, "reason": reason}
        return Entry(
            event=event,
            trip_id=UUID(row.target) if row.scope == "trip" else None,
            person_id=UUID(row.target) if row.scope == "person" else None,
            staff_id=account_id,
            private=private,
        )


def _checked_target(draft: HoldDraft) -> str:
    """The target in its one form. Raises `invalid_value`."""
    scopes: tuple[Scope, ...] = SCOPES
    if draft.scope not in scopes:
        raise ProblemError("invalid_value", f"A hold is on one of {', '.join(SCOPES)}.")
    if not 3 <= len(draft.basis.strip()) <= 500:
        raise ProblemError("invalid_value", "A hold needs a basis of 3 to 500 characters.")
    if draft.scope == "market":
        if not 1 <= len(draft.target) <= 40:
            raise ProblemError("invalid_value", "A market has a name of 1 to 40 characters.")
        return draft.target
    try:
        return str(UUID(draft.target))
    except ValueError:
        raise ProblemError("invalid_value", f"The id of a {draft.scope} is a UUID.") from None
