"""What people may read of the review desk. Nothing here writes, and nothing here opens a text."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import ProblemError
from backend.reviews.models import CaseDecision, CaseSignal, Enforcement, ReviewCase, TripAccess


class CaseView(msgspec.Struct, frozen=True):
    """A case as staff see it; `state` is derived: a lapsed claim reads `open` (or `referred`)."""

    id: UUID
    trip_id: UUID
    market: str
    kind: str
    state: str
    severity: str
    reasons: list[str]
    message_ids: list[UUID]
    trip_phase: str
    about_user_id: UUID
    opened_at: datetime
    due_at: datetime
    refer_to: str | None
    claimed_by: UUID | None
    claimed_until: datetime | None
    closed_at: datetime | None


class CaseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases, in order of due time; `after` is the (due_at, id) of the last one already listed."""

    state: str | None = None
    severity: str | None = None
    trip_id: UUID | None = None
    after: tuple[datetime, UUID] | None = None
    limit: int = 50


class TripOpening(msgspec.Struct, frozen=True):
    """Somebody of staff opened the conversation: who, as what, for which purpose, when."""

    id: UUID
    account_id: UUID
    role: str
    purpose: str
    at: datetime


class Standing(msgspec.Struct, frozen=True):
    """Whether a person may write in a trip: null, or the moment until which they may not."""

    muted_until: datetime | None
    suspended_until: datetime | None


class DecisionView(msgspec.Struct, frozen=True):
    """A decision as staff see it; the rationale is only opened by the route that is asked for it."""

    id: UUID
    turn: int
    account_id: UUID
    messages: list[dict[str, str]]
    person: str
    person_id: UUID
    policy_cited: str
    seen_hash: str | None
    at: datetime


class EnforcementView(msgspec.Struct, frozen=True):
    """An enforcement and whether it runs now."""

    id: UUID
    case_id: UUID
    trip_id: UUID
    kind: str
    at: datetime
    until: datetime | None
    lifted_at: datetime | None
    running: bool


def view(case: ReviewCase, message_ids: list[UUID], now: datetime) -> CaseView:
    """The case as it stands at `now`."""
    held = case.state == "assigned" and case.claimed_until is not None and case.claimed_until > now
    lapsed = case.state == "assigned" and not held
    free = "referred" if case.refer_to else "open"
    return CaseView(
        id=case.id,
        trip_id=case.trip_id,
        market=case.market,
        kind=case.kind,
        state=free if lapsed else case.state,
        severity=case.severity,
        reasons=case.reasons,
        message_ids=message_ids,
        trip_phase=case.trip_phase,
        about_user_id=case.about_user_id,
        opened_at=case.opened_at,
        due_at=case.due_at,
        refer_to=case.refer_to,
        claimed_by=case.claimed_by if held else None,
        claimed_until=case.claimed_until if held else None,
        closed_at=case.closed_at,
    )


def _state_is(state: str, now: datetime) -> ColumnElement[bool]:
    lapsed = and_(ReviewCase.state == "assigned", ReviewCase.claimed_until <= now)
    if state == "assigned":
        return and_(ReviewCase.state == "assigned", ReviewCase.claimed_until > now)
    if state == "open":
        return or_(ReviewCase.state == "open", and_(lapsed, ReviewCase.refer_to.is_(None)))
    if state == "referred":
        return or_(ReviewCase.state == "referred", and_(lapsed, ReviewCase.refer_to.is_not(None)))
    if state == "closed":
        return ReviewCase.state == "closed"
    raise ProblemError("invalid_value", "state has to be open, assigned, referred or closed.")


def _wanted(wish: CaseFilter, now: datetime) -> Select[ReviewCase]:
    query = select(ReviewCase)
    # Closed cases only on request: the queue is what waits.
    query = query.where(_state_is(wish.state, now) if wish.state else ReviewCase.state != "closed")
    if wish.severity:
        query = query.where(ReviewCase.severity == wish.severity)
    if wish.trip_id:
        query = query.where(ReviewCase.trip_id == wish.trip_id)
    return query


async def access_cases(session: AsyncSession, wish: CaseFilter, now: datetime) -> tuple[list[CaseView], int]:
    """One page in order of due time, and how many there are in all."""
    wanted = _wanted(wish, now)
    total = await session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    if wish.after is not None:
        wanted = wanted.where(tuple_(ReviewCase.due_at, ReviewCase.id) > tuple_(*wish.after))
    page = wanted.order_by(ReviewCase.due_at, ReviewCase.id).limit(wish.limit)
    cases = (await session.scalars(page)).all()
    ids = await access_case_messages(session, [case.id for case in cases])
    return [view(case, ids.get(case.id, []), now) for case in cases], total


async def access_case(session: AsyncSession, case_id: UUID, now: datetime) -> CaseView:
    """One case. Raises `not_found`."""
    case = await session.get(ReviewCase, case_id, populate_existing=True)
    if case is None:
        raise ProblemError("not_found")
    ids = await access_case_messages(session, [case_id])
    return view(case, ids.get(case_id, []), now)


async def access_case_messages(session: AsyncSession, case_ids: list[UUID]) -> dict[UUID, list[UUID]]:
    """The messages of each case, in the order in which they joined it."""
    rows = await session.execute(
        select(CaseSignal.case_id, CaseSignal.message_id)
        .where(CaseSignal.case_id.in_(case_ids), CaseSignal.message_id.is_not(None))
        .order_by(CaseSignal.at, CaseSignal.id)
    )
    found: dict[UUID, list[UUID]] = {}
    for case_id, message_id in rows:
        mine = found.setdefault(case_id, [])
        if message_id is not None and message_id not in mine:
            mine.append(message_id)
    return found


async def access_decisions(session: AsyncSession, case_id: UUID) -> list[DecisionView]:
    """The decision of a case and what reversed it, in order."""
    rows = await session.scalars(
        select(CaseDecision).where(CaseDecision.case_id == case_id).order_by(CaseDecision.turn)
    )
    names = DecisionView.__struct_fields__
    return [DecisionView(**{name: getattr(row, name) for name in names}) for row in rows]


async def access_trip_openings(
    session: AsyncSession,
    trip_id: UUID,
    *,
    without: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[TripOpening]:
    """Who of staff opened this trip's conversation, newest first, at most `limit`; none for the purpose `without`.

    `after`: the (at, id) of the last one already listed.
    """
    query = select(TripAccess).where(TripAccess.trip_id == trip_id)
    if without is not None:
        query = query.where(TripAccess.purpose != without)
    if after is not None:
        query = query.where(tuple_(TripAccess.at, TripAccess.id) < tuple_(*after))
    rows = await session.scalars(query.order_by(TripAccess.at.desc(), TripAccess.id.desc()).limit(limit))
    return [TripOpening(row.id, row.account_id, row.role, row.purpose, row.at) for row in rows]


async def access_standing(session: AsyncSession, trip_id: UUID, user_id: UUID, now: datetime) -> Standing:
    """Whether this person may write in this trip at `now`. An emergency is accepted whatever this says."""
    muted = await session.scalar(
        select(func.max(Enforcement.until)).where(
            Enforcement.user_id == user_id,
            Enforcement.trip_id == trip_id,
            Enforcement.kind == "mute",
            Enforcement.lifted_at.is_(None),
            Enforcement.until > now,
        )
    )
    suspended = await session.scalar(
        text("SELECT suspended_until FROM app_user WHERE id = :id AND suspended_until > :now"),
        {"id": user_id, "now": now},
    )
    return Standing(muted, suspended)


async def access_enforcements(session: AsyncSession, user_id: UUID, now: datetime) -> list[EnforcementView]:
    """A person's enforcements, newest first, at most 100."""
    rows = await session.scalars(
        select(Enforcement)
        .where(Enforcement.user_id == user_id)
        .order_by(Enforcement.applied_at.desc(), Enforcement.id)
        .limit(100)
    )
    return [_enforcement(row, now) for row in rows]


def _enforcement(row: Enforcement, now: datetime) -> EnforcementView:
    running = row.lifted_at is None and row.until is not None and row.until > now
    return EnforcementView(
        row.id, row.case_id, row.trip_id, row.kind, row.applied_at, row.until, row.lifted_at, running
    )


async def access_cases_about(session: AsyncSession, user_id: UUID, now: datetime) -> list[CaseView]:
    """Cases about a person, newest first, at most 50."""
    found = select(ReviewCase).where(ReviewCase.about_user_id == user_id)
    cases = (await session.scalars(found.order_by(ReviewCase.opened_at.desc()).limit(50))).all()
    ids = await access_case_messages(session, [case.id for case in cases])
    return [view(case, ids.get(case.id, []), now) for case in cases]
