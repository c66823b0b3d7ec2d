"""The way of a decision: check the claim, write it once, give it its effect, commit, and only then tell."""

from __future__ import annotations

import asyncio
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.realtime import Audience, ChatEvent
from backend.reviews import claims, decisions, service
from backend.reviews.access import CaseView, access_case, access_case_messages
from backend.reviews.conversation import access_spans, access_statuses
from backend.reviews.decisions import DecisionDraft, MessageDecision
from backend.reviews.models import CaseDecision, ReviewCase
from backend.trips.access import access_trip

#: Which outcomes still change a message, by its status; every other pair leaves it as it is.
CHANGES: dict[str, frozenset[str]] = {
    "quarantined": frozenset({"release", "mask", "remove"}),
    "delivered": frozenset({"mask", "remove"}),
    # Confirming what the policy starred out must not uncover it.
    "masked": frozenset({"remove"}),
    "removed": frozenset({"release"}),
}


async def decide(services: Services, caller: Caller, case_id: UUID, draft: DecisionDraft) -> tuple[UUID, CaseView]:
    """Decide a case that the caller holds; returns the decision's id and the closed case.

    Raises `case_closed`, `case_taken`, `case_not_claimed`, `rationale_required`, `message_not_found`, `invalid_value`.
    """
    # A reviewer who closes the page in this moment must not leave a commit that nobody was told of.
    return await asyncio.shield(_decide(services, caller, case_id, draft))


async def _decide(services: Services, caller: Caller, case_id: UUID, draft: DecisionDraft) -> tuple[UUID, CaseView]:
    async with services.db.session() as session:
        await claims.lock_chat(session, case_id)
        case = await claims.held_by(session, case_id, caller.id)
        decisions.check_draft(draft, case.severity)
        await _check_person(session, case, draft)
        statuses = await _statuses(session, case, draft)
        decision = await decisions.record(
            session,
            services.audit,
            services.clock,
            services.keyring,
            case,
            draft,
            account_id=caller.id,
            statuses=statuses,
        )
        events = [await _apply(services, session, case, item, statuses) for item in draft.messages]
        events.append(await _enforce(services, session, case, decision, draft))
        await claims.end_decided(session, case, services.clock.now())
        await session.flush()
        await _carry_on(services, session, case, draft)
        view = await access_case(session, case_id, services.clock.now())
        await session.commit()
    await _tell(services, decision, events)
    return decision.id, view


async def reverse(services: Services, caller: Caller, case_id: UUID, rationale: str) -> tuple[UUID, CaseView]:
    """Undo a decision: its enforcement ends now, and its messages are reviewed again as a case of their own.

    What was released has been read and stays, what was removed stays away: the new case changes either.
    Whoever decided may reverse, and leads may.
    Raises `not_found`, `conflict` when there is no decision, `case_closed` when it was reversed before, `forbidden`.
    """
    return await asyncio.shield(_reverse(services, caller, case_id, rationale))


async def _reverse(services: Services, caller: Caller, case_id: UUID, rationale: str) -> tuple[UUID, CaseView]:
    async with services.db.session() as session:
        await claims.lock_chat(session, case_id)
        case = await claims.locked(session, case_id)
        first = await session.get(CaseDecision, (case_id, 0))
        if first is None:
            raise ProblemError("conflict", "This case has not been decided.")
        if first.account_id != caller.id and "lead" not in claims.roles_open_to(caller.staff_role or ""):
            raise ProblemError("forbidden", "Only its own account or a lead reverses a decision.")
        draft = DecisionDraft(policy_cited=first.policy_cited, rationale=rationale, person_id=first.person_id)
        decision = await decisions.record(
            session,
            services.audit,
            services.clock,
            services.keyring,
            case,
            draft,
            account_id=caller.id,
            statuses={},
            turn=1,
        )
        await decisions.lift(session, services.audit, services.clock, services.chat, first.id, account_id=caller.id)
        joined = (await access_case_messages(session, [case_id])).get(case_id, [])
        again = await service.carry_on(session, services.audit, services.clock, case_id, joined)
        view = await access_case(session, again or case_id, services.clock.now())
        await session.commit()
    services.hub.control("user_changed", user_id=first.person_id)
    services.hub.ring_staff("review")
    return decision.id, view


async def _check_person(session: AsyncSession, case: ReviewCase, draft: DecisionDraft) -> None:
    trip = await access_trip(session, case.trip_id)
    person = draft.person_id or case.about_user_id
    if person not in (trip.driver_id, trip.customer_id, case.about_user_id):
        raise ProblemError("invalid_value", "person_id has to be somebody of this trip.")


async def _statuses(session: AsyncSession, case: ReviewCase, draft: DecisionDraft) -> dict[UUID, str]:
    ids = [item.message_id for item in draft.messages]
    statuses = await access_statuses(session, case.trip_id, ids)
    if len(statuses) < len(ids):
        raise ProblemError("message_not_found")
    return statuses


async def _apply(
    services: Services, session: AsyncSession, case: ReviewCase, item: MessageDecision, statuses: dict[UUID, str]
) -> ChatEvent | None:
    """Give one message its outcome. Releasing what was delivered anyway confirms it and changes nothing."""
    status = statuses[item.message_id]
    if item.outcome not in CHANGES.get(status, frozenset()):
        return None
    if item.outcome == "release":
        return await services.chat.release(session, case.trip_id, item.message_id)
    if item.outcome == "remove":
        return await services.chat.remove(session, case.trip_id, item.message_id, "decision")
    spans = await access_spans(session, case.trip_id, item.message_id)
    return await services.chat.mask(session, case.trip_id, item.message_id, spans)


async def _enforce(
    services: Services, session: AsyncSession, case: ReviewCase, decision: CaseDecision, draft: DecisionDraft
) -> ChatEvent | None:
    """Make the person's enforcement take effect. A warning is a system line that only this person reads."""
    made = await decisions.enforce(
        session, services.audit, services.clock, services.chat, case, decision, draft.duration_s
    )
    if made is None or made.kind != "warn":
        return None
    trip = await access_trip(session, case.trip_id)
    role: Audience = "driver" if made.user_id == trip.driver_id else "customer"
    return await services.chat.post_system_line(session, case.trip_id, "warning", frozenset({role}))


async def _carry_on(services: Services, session: AsyncSession, case: ReviewCase, draft: DecisionDraft) -> None:
    """Messages that joined the case and were left out of the decision, still withheld, become a case of their own."""
    joined = (await access_case_messages(session, [case.id])).get(case.id, [])
    decided = {item.message_id for item in draft.messages}
    left = [message_id for message_id in joined if message_id not in decided]
    if not left:
        return
    statuses = await access_statuses(session, case.trip_id, left)
    withheld = [message_id for message_id in left if statuses.get(message_id) == "quarantined"]
    await service.carry_on(session, services.audit, services.clock, case.id, withheld)


async def _tell(services: Services, decision: CaseDecision, events: list[ChatEvent | None]) -> None:
    await services.hub.publish(*[event for event in events if event is not None])
    if decision.person in ("mute", "suspend"):
        services.hub.control("user_changed", user_id=decision.person_id)
    services.hub.ring_staff("review")
