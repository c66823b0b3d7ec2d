"""Claims: a lease on one case, so that no two people work on it and nobody who walked away keeps it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, case, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from backend.audit import AuditLog, Entry
from backend.audit.canonical import Json
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.reviews.models import CaseClaim, ReviewCase
from backend.reviews.severity import LEASE_S, SKIP_REST_S
from backend.trips.models import TripChat

#: Roles that decide, weakest first; a referred case waits for its role or a stronger one.
DECIDERS = ("moderator", "lead", "admin")


def roles_open_to(staff_role: str) -> tuple[str, ...]:
    """The `refer_to` roles whose cases this role may claim."""
    return DECIDERS[: DECIDERS.index(staff_role) + 1] if staff_role in DECIDERS else ()


def _free(now: datetime) -> ColumnElement[bool]:
    lapsed = and_(ReviewCase.state == "assigned", ReviewCase.claimed_until <= now)
    return or_(ReviewCase.state.in_(("open", "referred")), lapsed)


async def claim_next(
    session: AsyncSession, audit: AuditLog, clock: Clock, *, account_id: UUID, staff_role: str
) -> ReviewCase | None:
    """Lease the most pressing case to this account; None when there is none for it.

    Order: critical first, then due time. Somebody who holds a case already gets that one again (a reloaded page must
    not pile up leases). Rows that another claim is taking at this moment are passed over, not waited for.
    """
    now = clock.now()
    held = await _held(session, account_id, now)
    if held is not None:
        await _extend(session, held, now)
        return held
    skipped = exists().where(
        CaseClaim.case_id == ReviewCase.id,
        CaseClaim.account_id == account_id,
        CaseClaim.ended_how == "skipped",
        CaseClaim.ended_at > now - timedelta(seconds=SKIP_REST_S),
    )
    for_me = or_(ReviewCase.refer_to.is_(None), ReviewCase.refer_to.in_(roles_open_to(staff_role)))
    found = await session.scalar(
        select(ReviewCase)
        .where(_free(now), for_me, ~skipped)
        .order_by(case((ReviewCase.severity == "critical", 0), else_=1), ReviewCase.due_at, ReviewCase.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if found is not None:
        await _take(session, audit, found, account_id, now)
    return found


async def _held(session: AsyncSession, account_id: UUID, now: datetime) -> ReviewCase | None:
    return await session.scalar(
        select(ReviewCase)
        .where(
            ReviewCase.state == "assigned",
            ReviewCase.claimed_by == account_id,
            ReviewCase.claimed_until > now,
        )
        .order_by(ReviewCase.claimed_until.desc())
        .limit(1)
        .with_for_update()
    )


async def claim(
    session: AsyncSession, audit: AuditLog, clock: Clock, case_id: UUID, *, account_id: UUID, staff_role: str
) -> ReviewCase:
    """Lease this case. Raises `case_taken`, `case_closed`, `not_found`, or `forbidden` for a referred one."""
    now = clock.now()
    found = await locked(session, case_id)
    if found.state == "closed":
        raise ProblemError("case_closed")
    if found.refer_to is not None and found.refer_to not in roles_open_to(staff_role):
        raise ProblemError("forbidden", f"This case waits for {found.refer_to}.")
    live = found.state == "assigned" and found.claimed_until is not None and found.claimed_until > now
    if live and found.claimed_by != account_id:
        raise ProblemError("case_taken")
    if live:
        await _extend(session, found, now)
    else:
        await _take(session, audit, found, account_id, now)
    return found


async def existing(session: AsyncSession, case_id: UUID) -> ReviewCase:
    """The case. Raises `not_found`."""
    found = await session.get(ReviewCase, case_id)
    if found is None:
        raise ProblemError("not_found")
    return found


async def locked(session: AsyncSession, case_id: UUID) -> ReviewCase:
    """The case, locked until the end of the transaction. Raises `not_found`."""
    found = await session.scalar(select(ReviewCase).where(ReviewCase.id == case_id).with_for_update())
    if found is None:
        raise ProblemError("not_found")
    return found


async def lock_chat(session: AsyncSession, case_id: UUID) -> None:
    """Lock the chat of the case's trip. A send takes the chat and then the case: whoever takes both, in this order."""
    trip_id = select(ReviewCase.trip_id).where(ReviewCase.id == case_id).scalar_subquery()
    await session.execute(select(TripChat.trip_id).where(TripChat.trip_id == trip_id).with_for_update())


async def held_by(session: AsyncSession, case_id: UUID, account_id: UUID) -> ReviewCase:
    """The locked case, held by this account. Raises `case_closed`, `case_taken` or `case_not_claimed`.

    A lease that ran out still counts until somebody else takes the case: nobody loses a decision to a slow minute,
    and the row lock with the claim's id decides every race.
    """
    found = await locked(session, case_id)
    if found.state == "closed":
        raise ProblemError("case_closed")
    if found.state != "assigned" or found.claimed_by is None:
        raise ProblemError("case_not_claimed")
    if found.claimed_by != account_id:
        raise ProblemError("case_taken")
    return found


async def heartbeat(session: AsyncSession, clock: Clock, case_id: UUID, *, account_id: UUID) -> ReviewCase:
    """Prolong the lease by `LEASE_S` from now. Raises as `held_by`."""
    found = await held_by(session, case_id, account_id)
    await _extend(session, found, clock.now())
    return found


async def skip(
    session: AsyncSession, audit: AuditLog, clock: Clock, case_id: UUID, *, account_id: UUID, reason: str
) -> ReviewCase:
    """Put the case back for the others; it is not offered to this account for `SKIP_REST_S`. Raises as `held_by`."""
    found = await held_by(session, case_id, account_id)
    await _end(session, found, clock.now(), "skipped", reason=reason)
    found.state = "referred" if found.refer_to else "open"
    await audit.append(session, _entry("case.skipped", found, account_id))
    return found


async def refer(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    case_id: UUID,
    *,
    account_id: UUID,
    to_role: str,
    reason: str,
) -> ReviewCase:
    """Hand the case to `to_role` (one of `DECIDERS`) or stronger. Raises as `held_by`, and `invalid_value`."""
    if to_role not in DECIDERS:
        raise ProblemError("invalid_value", f"to_role has to be one of {', '.join(DECIDERS)}.")
    found = await held_by(session, case_id, account_id)
    await _end(session, found, clock.now(), "referred", reason=reason, to_role=to_role)
    found.state, found.refer_to = "referred", to_role
    await audit.append(session, _entry("case.referred", found, account_id, to_role=to_role))
    return found


async def end_decided(session: AsyncSession, found: ReviewCase, now: datetime) -> None:
    """Close the case and its claim."""
    await _end(session, found, now, "decided")
    found.state, found.closed_at = "closed", now


async def note_seen(session: AsyncSession, claim_id: UUID, seen: list[dict[str, str]], digest: str) -> None:
    """Record what the holder of this claim was shown: ids and statuses with their hash, no text."""
    await session.execute(update(CaseClaim).where(CaseClaim.id == claim_id).values(seen=seen, seen_hash=digest))


async def _take(session: AsyncSession, audit: AuditLog, found: ReviewCase, account_id: UUID, now: datetime) -> None:
    if found.claim_id is not None:
        await _end(session, found, now, "expired")
    claim_id, until = new_id(), now + timedelta(seconds=LEASE_S)
    row = {"id": claim_id, "case_id": found.id, "account_id": account_id}
    await session.execute(insert(CaseClaim).values(row | {"taken_at": now, "heartbeat_at": now}))
    found.state, found.claim_id = "assigned", claim_id
    found.claimed_by, found.claimed_until = account_id, until
    await audit.append(session, _entry("case.claimed", found, account_id))


def _entry(event: str, found: ReviewCase, account_id: UUID, **private: str) -> Entry:
    whole: dict[str, Json] = {"case": str(found.id), **private}
    return Entry(event=event, trip_id=found.trip_id, person_id=found.about_user_id, staff_id=account_id, private=whole)


async def _extend(session: AsyncSession, found: ReviewCase, now: datetime) -> None:
    found.claimed_until = now + timedelta(seconds=LEASE_S)
    await session.execute(update(CaseClaim).where(CaseClaim.id == found.claim_id).values(heartbeat_at=now))


async def _end(
    session: AsyncSession,
    found: ReviewCase,
    now: datetime,
    how: str,
    *,
    reason: str | None = None,
    to_role: str | None = None,
) -> None:
    ended = {"ended_at": now, "ended_how": how, "reason": reason, "to_role": to_role}
    await session.execute(update(CaseClaim).where(CaseClaim.id == found.claim_id).values(**ended))
    found.claim_id = found.claimed_by = found.claimed_until = None
