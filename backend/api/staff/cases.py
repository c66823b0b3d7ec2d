"""The review queue: claim, look, skip, refer, decide."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.api.staff.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.api.staff.roles import staff_may_decide, staff_may_open_conversations, staff_may_watch
from backend.pipeline import deciding
from backend.pipeline.services import Services
from backend.reviews import claims, service
from backend.reviews.access import (
    CaseFilter,
    CaseView,
    DecisionView,
    access_case,
    access_case_messages,
    access_cases,
    access_decisions,
)
from backend.reviews.conversation import StaffMessage, TripDetail, access_conversation, access_trip_detail
from backend.reviews.decisions import DecisionDraft, seen_of
from backend.reviews.models import ReviewCase
from backend.reviews.severity import Severity

Reason = Annotated[str, Meta(min_length=1, max_length=300)]
Rationale = Annotated[str, Meta(min_length=1, max_length=2_000)]


class OpenedCase(msgspec.Struct, frozen=True):
    """A case with the conversation around it, oldest message first; `lease_until` while the caller holds it."""

    case: CaseView
    conversation: list[StaffMessage]
    trip: TripDetail
    lease_until: datetime | None
    decisions: list[DecisionView]


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody passes a case on to the others."""

    reason: Reason


class Refer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which role a case goes, and why."""

    to_role: str
    reason: Reason


class Reversal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a decision is undone."""

    rationale: Rationale


class Decided(msgspec.Struct, frozen=True):
    """The decision that was written, and its case as it stands now."""

    decision_id: UUID
    case: CaseView


@get("/cases", guards=[staff_may_watch])
async def list_cases(
    services: NamedDependency[Services],
    case_state: Annotated[
        Literal["open", "assigned", "referred", "closed"] | None, QueryParameter(name="state")
    ] = None,
    severity: FromQuery[Severity | None] = None,
    trip_id: FromQuery[UUID | None] = None,
    sort: FromQuery[Literal["due"]] = "due",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CaseView]:
    """Cases by due time, without any text; all that are not closed unless `state` says which."""
    after = key_of(cursor, tuple[datetime, UUID])
    wish = CaseFilter(state=case_state, severity=severity, trip_id=trip_id, after=after, limit=limit + 1)
    async with services.db.session() as session:
        found, total = await access_cases(session, wish, services.clock.now())
    page = found[:limit]
    more = cursor_of((page[-1].due_at, page[-1].id)) if len(found) > limit else None
    return Page(page, more, total)


@post("/cases/claim", guards=[staff_may_decide], status_code=200)
async def claim_next(
    services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Response[OpenedCase | None]:
    """Lease the most pressing case; 204 when none waits for the caller."""
    async with services.db.session() as session:
        role = caller.staff_role or ""
        held = await claims.claim_next(session, services.audit, services.clock, account_id=caller.id, staff_role=role)
        opened = await _open(services, session, held, caller) if held is not None else None
        await session.commit()
    if opened is None:
        return Response(None, status_code=204)
    services.hub.ring_staff("review")
    return Response(opened, status_code=200)


@post("/cases/{case_id:uuid}/claim", guards=[staff_may_decide], status_code=200)
async def claim_one(
    services: NamedDependency[Services], caller: NamedDependency[Caller], case_id: FromPath[UUID]
) -> OpenedCase:
    """Lease this case."""
    async with services.db.session() as session:
        role = caller.staff_role or ""
        held = await claims.claim(
            session, services.audit, services.clock, case_id, account_id=caller.id, staff_role=role
        )
        opened = await _open(services, session, held, caller)
        await session.commit()
    services.hub.ring_staff("review")
    return opened


@get("/cases/{case_id:uuid}", guards=[staff_may_open_conversations])
async def one_case(
    services: NamedDependency[Services], caller: NamedDependency[Caller], case_id: FromPath[UUID]
) -> OpenedCase:
    """A case with its conversation. Opening it is recorded; what its holder sees here is what a decision is about."""
    async with services.db.session() as session:
        # Not locked: a claim passes over locked rows, and looking at a case must not hide it from the queue.
        opened = await _open(services, session, await claims.existing(session, case_id), caller)
        await session.commit()
    return opened


async def _open(
    services: NamedDependency[Services], session: AsyncSession, case: ReviewCase, caller: NamedDependency[Caller]
) -> OpenedCase:
    """Record the opening, read the conversation, and note on the holder's claim what was shown."""
    now = services.clock.now()
    await session.flush()
    await service.open_conversation(
        session,
        services.audit,
        services.clock,
        trip_id=case.trip_id,
        account_id=caller.id,
        role=caller.staff_role or "",
        purpose="safety_review",
    )
    also = (await access_case_messages(session, [case.id])).get(case.id, [])
    talk = await access_conversation(session, services.db.pool, services.keyring, case.trip_id, also=also)
    mine = case.state == "assigned" and case.claimed_by == caller.id
    if mine and case.claim_id is not None:
        seen = seen_of([(str(message.id), message.status) for message in talk.messages])
        await claims.note_seen(session, case.claim_id, seen.rows, seen.digest)
    return OpenedCase(
        case=await access_case(session, case.id, now),
        conversation=talk.messages,
        trip=await access_trip_detail(session, case.trip_id),
        lease_until=case.claimed_until if mine else None,
        decisions=await access_decisions(session, case.id),
    )


@post("/cases/{case_id:uuid}/heartbeat", guards=[staff_may_decide], status_code=200)
async def heartbeat(
    services: NamedDependency[Services], caller: NamedDependency[Caller], case_id: FromPath[UUID]
) -> CaseView:
    """Keep the lease."""
    async with services.db.session() as session:
        await claims.heartbeat(session, services.clock, case_id, account_id=caller.id)
        return await _settled(services, session, case_id)


@post("/cases/{case_id:uuid}/skip", guards=[staff_may_decide], status_code=200)
async def skip(
    services: NamedDependency[Services], caller: NamedDependency[Caller], case_id: FromPath[UUID], data: JSONBody[Skip]
) -> CaseView:
    """Put a case back for the others."""
    async with services.db.session() as session:
        await claims.skip(session, services.audit, services.clock, case_id, account_id=caller.id, reason=data.reason)
        view = await _settled(services, session, case_id)
    services.hub.ring_staff("review")
    return view


@post("/cases/{case_id:uuid}/refer", guards=[staff_may_decide], status_code=200)
async def refer(
    services: NamedDependency[Services], caller: NamedDependency[Caller], case_id: FromPath[UUID], data: JSONBody[Refer]
) -> CaseView:
    """Hand a case to a role."""
    async with services.db.session() as session:
        await claims.refer(
            session,
            services.audit,
            services.clock,
            case_id,
            account_id=caller.id,
            to_role=data.to_role,
            reason=data.reason,
        )
        view = await _settled(services, session, case_id)
    services.hub.ring_staff("review")
    return view


async def _settled(services: NamedDependency[Services], session: AsyncSession, case_id: UUID) -> CaseView:
    await session.flush()
    view = await access_case(session, case_id, services.clock.now())
    await session.commit()
    return view


@post("/cases/{case_id:uuid}/decisions", guards=[staff_may_decide], status_code=201)
async def decide(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    case_id: FromPath[UUID],
    data: JSONBody[DecisionDraft],
) -> Decided:
    """Decide a case that one holds. There is one decision on a case, ever."""
    decision_id, case = await deciding.decide(services, caller, case_id, data)
    return Decided(decision_id, case)


@post("/cases/{case_id:uuid}/reversal", guards=[staff_may_decide], status_code=201)
async def reverse(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    case_id: FromPath[UUID],
    data: JSONBody[Reversal],
) -> Decided:
    """Undo a decision: enforcement ends, the messages come back as a new case, which is the one in the answer."""
    decision_id, case = await deciding.reverse(services, caller, case_id, data.rationale)
    return Decided(decision_id, case)


router = Router(
    path="/api/staff",
    route_handlers=[list_cases, claim_next, claim_one, one_case, heartbeat, skip, refer, decide, reverse],
    tags=["staff: review"],
)
