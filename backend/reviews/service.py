"""The only writer of cases and of the record of who opened what: open, merge, carry on, open a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, func, insert, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog, Entry
from backend.audit.canonical import Json
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.reviews.models import OPEN_STATES, CaseSignal, ReviewCase, TripAccess
from backend.reviews.severity import CaseKind, Severity, due_at

#: One opening is recorded per account, trip and purpose in this many seconds: the console's live view polls.
OPENING_REST_S = 900

MAX_REASONS = 40


class CaseSignalDraft:
    """What a new signal says of a case: how bad, why, about whom, which message, and the verdict (codes only)."""

    __slots__ = ("about_user_id", "message_id", "reasons", "severity", "verdict")

    def __init__(
        self,
        severity: Severity,
        reasons: Sequence[str],
        message_id: UUID | None,
        about_user_id: UUID,
        verdict: dict[str, Any],
    ) -> None:
        self.severity: Severity = severity
        self.reasons = sorted(set(reasons))[:MAX_REASONS]
        self.message_id = message_id
        self.about_user_id = about_user_id
        self.verdict = verdict


async def open_case(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    *,
    trip_id: UUID,
    kind: CaseKind,
    severity: Severity,
    reasons: tuple[str, ...],
    message_id: UUID | None,
    about_user_id: UUID,
    verdict: dict[str, Any],
) -> UUID:
    """Open a case, or merge this signal into the one open case of this trip and kind; returns the case's id.

    Runs in the caller's transaction, the one that stores the message. After its commit the caller rings "review".
    Raises `ProblemError("trip_not_found")`.
    """
    draft = CaseSignalDraft(severity, reasons, message_id, about_user_id, verdict)
    now = clock.now()
    case_id, opened = await _merge(session, trip_id, kind, draft, now)
    private: dict[str, Json] = {"case": str(case_id), "kind": kind, "reasons": [*draft.reasons]}
    if message_id is not None:
        private["message"] = str(message_id)
    await session.execute(insert(CaseSignal).values(_signal_row(case_id, draft, now)))
    await audit.append(
        session,
        Entry(
            event="case.opened" if opened else "case.merged",
            outcome=severity,
            counts={"signals": 1},
            trip_id=trip_id,
            person_id=about_user_id,
            private=private,
        ),
    )
    return case_id


def _signal_row(case_id: UUID, draft: CaseSignalDraft, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "case_id": case_id,
        "message_id": draft.message_id,
        "about_user_id": draft.about_user_id,
        "severity": draft.severity,
        "reasons": draft.reasons,
        "verdict": draft.verdict,
        "at": now,
    }


async def _merge(
    session: AsyncSession, trip_id: UUID, kind: str, draft: CaseSignalDraft, now: datetime
) -> tuple[UUID, bool]:
    """Insert the case or worsen the open one. A case that is being closed at this moment is waited for.

    When that other transaction commits, its row has left the partial index, so PostgreSQL inserts a new case: a
    signal never lands in a case that nobody will look at again.
    """
    trip = (await session.execute(text("SELECT market, status FROM trip WHERE id = :id"), {"id": trip_id})).first()
    if trip is None:
        raise ProblemError("trip_not_found")
    new = pg_insert(ReviewCase).values(
        id=new_id(),
        trip_id=trip_id,
        market=trip.market,
        kind=kind,
        state="open",
        severity=draft.severity,
        reasons=draft.reasons,
        trip_phase=trip.status,
        about_user_id=draft.about_user_id,
        opened_at=now,
        due_at=due_at(draft.severity, now),
    )
    merged = new.on_conflict_do_update(
        index_elements=["trip_id", "kind"],
        index_where=text(OPEN_STATES),
        set_={
            "severity": literal_column(_WORSE),
            "about_user_id": literal_column(_ABOUT),
            "due_at": func.least(ReviewCase.due_at, new.excluded.due_at),
            "reasons": literal_column(_REASONS),
        },
    ).returning(ReviewCase.id, literal_column("(xmax = 0)", Boolean).label("opened"))
    row = (await session.execute(merged)).one()
    return row.id, bool(row.opened)


_ORDER = "ARRAY['low', 'medium', 'high', 'critical']::varchar[]"
_IS_WORSE = f"array_position({_ORDER}, excluded.severity) > array_position({_ORDER}, review_case.severity)"
_WORSE = f"CASE WHEN {_IS_WORSE} THEN excluded.severity ELSE review_case.severity END"
#: The case is about the person whose conduct is the worst so far.
_ABOUT = f"CASE WHEN {_IS_WORSE} THEN excluded.about_user_id ELSE review_case.about_user_id END"
_REASONS = (
    "ARRAY(SELECT DISTINCT reason FROM unnest(review_case.reasons || excluded.reasons) AS reason"
    " ORDER BY reason LIMIT 40)"  # MAX_REASONS
)


async def carry_on(
    session: AsyncSession, audit: AuditLog, clock: Clock, case_id: UUID, message_ids: Sequence[UUID]
) -> UUID | None:
    """Open a new case for those of a closed case's messages that its decision left out; returns its id, if any.

    A message may join a case after its reviewer was shown the conversation. It was not decided, so it is not lost.
    """
    closed = await session.get_one(ReviewCase, case_id)
    left = (
        await session.scalars(
            select(CaseSignal)
            .where(CaseSignal.case_id == case_id, CaseSignal.message_id.in_(message_ids))
            .order_by(CaseSignal.at)
        )
    ).all()
    new_case: UUID | None = None
    for signal in left:
        new_case = await open_case(
            session,
            audit,
            clock,
            trip_id=closed.trip_id,
            kind=closed.kind,  # pyright: ignore[reportArgumentType]
            severity=signal.severity,  # pyright: ignore[reportArgumentType]
            reasons=tuple(signal.reasons),
            message_id=signal.message_id,
            about_user_id=signal.about_user_id,
            verdict=signal.verdict,
        )
    return new_case


async def open_conversation(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    *,
    trip_id: UUID,
    account_id: UUID,
    role: str,
    purpose: str,
) -> bool:
    """Record that this account opens this trip's conversation; returns whether a new row was written.

    Repeats by the same account for the same purpose within `OPENING_REST_S` belong to the same opening.
    """
    now = clock.now()
    recent = await session.scalar(
        select(TripAccess.id)
        .where(
            TripAccess.trip_id == trip_id,
            TripAccess.account_id == account_id,
            TripAccess.purpose == purpose,
            TripAccess.at > now - timedelta(seconds=OPENING_REST_S),
        )
        .limit(1)
    )
    if recent is not None:
        return False
    row = {"id": new_id(), "trip_id": trip_id, "account_id": account_id, "role": role, "purpose": purpose}
    await session.execute(insert(TripAccess).values(row | {"at": now}))
    await audit.append(
        session,
        Entry(
            event="trip.opened",
            outcome=purpose,
            trip_id=trip_id,
            staff_id=account_id,
            private={"role": role},
        ),
    )
    return True
