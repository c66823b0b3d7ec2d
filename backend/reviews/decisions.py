"""The answer to a case, written once, and its effect on a person."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.service import suspend_user
from backend.audit import AuditLog, Entry
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.keys import Keyring
from backend.messages.service import ChatWriter
from backend.reviews.models import CaseClaim, CaseDecision, Enforcement, ReviewCase
from backend.reviews.severity import needs_rationale

MessageOutcome = Literal["release", "mask", "remove"]
PersonOutcome = Literal["none", "warn", "mute", "suspend"]

#: Seconds that a mute or a suspension lasts when the decision names no other time.
DEFAULT_DURATION_S: dict[str, int] = {"mute": 24 * 3600, "suspend": 7 * 24 * 3600}


class MessageDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of one message."""

    message_id: UUID
    outcome: MessageOutcome


class DecisionDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision as the reviewer makes it. `person_id` is the case's person unless named; `duration_s` is for a mute
    or a suspension (`DEFAULT_DURATION_S`, at most a year)."""

    policy_cited: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: Annotated[list[MessageDecision], Meta(max_length=200)] = []
    person: PersonOutcome = "none"
    rationale: Annotated[str, Meta(max_length=2_000)] | None = None
    person_id: UUID | None = None
    duration_s: Annotated[int, Meta(ge=60, le=365 * 24 * 3600)] | None = None


class Seen(msgspec.Struct, frozen=True):
    """What a reviewer was shown: `[{"id", "status"}]` in order and the SHA-256 over it (hex)."""

    rows: list[dict[str, str]]
    digest: str


def seen_of(messages: list[tuple[str, str]]) -> Seen:
    """Snapshot of (message id, status) pairs in the order in which they were shown; holds no text."""
    rows = [{"id": message_id, "status": status} for message_id, status in messages]
    return Seen(rows, hashlib.sha256(msgspec.json.encode(rows)).hexdigest())


def check_draft(draft: DecisionDraft, severity: str) -> None:
    """Raises `rationale_required`, or `invalid_value` when one message has two outcomes."""
    if needs_rationale(severity) and not (draft.rationale or "").strip():
        raise ProblemError("rationale_required")
    ids = [item.message_id for item in draft.messages]
    if len(set(ids)) != len(ids):
        raise ProblemError("invalid_value", "A message can have one outcome only.")


def rationale_aad(case_id: UUID, turn: int) -> bytes:
    """Binds a sealed rationale to its decision."""
    return f"review:{case_id}:{turn}".encode()


async def record(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    keyring: Keyring,
    case: ReviewCase,
    draft: DecisionDraft,
    *,
    account_id: UUID,
    statuses: dict[UUID, str],
    turn: int = 0,
) -> CaseDecision:
    """Write the decision row; the primary key refuses a second one (`case_closed`). `statuses`: before the decision."""
    aad = rationale_aad(case.id, turn)
    rationale = (draft.rationale or "").strip().encode()
    claim = await session.get(CaseClaim, case.claim_id) if case.claim_id else None
    decision = CaseDecision(
        case_id=case.id,
        turn=turn,
        id=new_id(),
        claim_id=case.claim_id,
        account_id=account_id,
        messages=[_outcome_row(item, statuses) for item in draft.messages],
        person=draft.person,
        person_id=draft.person_id or case.about_user_id,
        policy_cited=draft.policy_cited,
        rationale_sealed=keyring.sealer("review").seal(rationale, aad) if rationale else None,
        seen=claim.seen if claim else None,
        seen_hash=claim.seen_hash if claim else None,
        at=clock.now(),
    )
    session.add(decision)
    try:
        await session.flush()
    except IntegrityError as error:
        raise ProblemError("case_closed") from error
    await audit.append(session, _decided(case, decision, draft))
    return decision


def _outcome_row(item: MessageDecision, statuses: dict[UUID, str]) -> dict[str, str]:
    before = statuses[item.message_id]
    return {"message_id": str(item.message_id), "outcome": item.outcome, "from_status": before}


def _decided(case: ReviewCase, decision: CaseDecision, draft: DecisionDraft) -> Entry:
    outcomes = [item.outcome for item in draft.messages]
    private: dict[str, Any] = {
        "case": str(case.id),
        "decision": str(decision.id),
        "policy_cited": decision.policy_cited,
        "messages": [str(item.message_id) for item in draft.messages],
        "outcomes": outcomes,
        "seen_hash": decision.seen_hash,
    }
    counts = {name: outcomes.count(name) for name in sorted(set(outcomes))}
    outcome = draft.person if decision.turn == 0 else "reversed"
    return Entry(
        event="case.decided",
        outcome=outcome,
        counts=counts,
        trip_id=case.trip_id,
        person_id=decision.person_id,
        staff_id=decision.account_id,
        private=private,
    )


async def enforce(
    session: AsyncSession,
    audit: AuditLog,
    clock: Clock,
    chat: ChatWriter,
    case: ReviewCase,
    decision: CaseDecision,
    duration_s: int | None,
) -> Enforcement | None:
    """Give the decision its effect on the person, in the same transaction; repeated, it has one effect.

    A mute and a suspension carry the moment at which they end by themselves. The chat reads both on each access.
    """
    if decision.person == "none":
        return None
    now = clock.now()
    until = _until(decision.person, duration_s, now)
    row = {
        "id": new_id(),
        "idempotency_key": f"{decision.id}:{decision.person}",
        "decision_id": decision.id,
        "case_id": case.id,
        "trip_id": case.trip_id,
        "user_id": decision.person_id,
        "kind": decision.person,
        "applied_at": now,
        "until": until,
    }
    made = await session.scalar(pg_insert(Enforcement).values(row).on_conflict_do_nothing().returning(Enforcement))
    if made is None:
        return None
    await _settle(session, clock, chat, made)
    await audit.append(session, _enforced("enforcement.applied", made, decision.account_id))
    return made


def _until(kind: str, duration_s: int | None, now: datetime) -> datetime | None:
    if kind not in DEFAULT_DURATION_S:
        return None
    return now + timedelta(seconds=duration_s or DEFAULT_DURATION_S[kind])


async def _settle(session: AsyncSession, clock: Clock, chat: ChatWriter, one: Enforcement) -> None:
    """Make what the chat reads follow from the enforcement rows: the latest end of those that run, or none."""
    if one.kind == "warn":
        return
    running = select(func.max(Enforcement.until)).where(
        Enforcement.user_id == one.user_id,
        Enforcement.kind == one.kind,
        Enforcement.lifted_at.is_(None),
        Enforcement.until > clock.now(),
    )
    if one.kind == "suspend":
        await suspend_user(session, clock, one.user_id, await session.scalar(running))
        return
    until = await session.scalar(running.where(Enforcement.trip_id == one.trip_id))
    await chat.mute(session, one.trip_id, one.user_id, until)


async def lift(
    session: AsyncSession, audit: AuditLog, clock: Clock, chat: ChatWriter, decision_id: UUID, *, account_id: UUID
) -> int:
    """End the enforcement of a decision early, because it was reversed; returns how many were running."""
    now = clock.now()
    lifted = (
        await session.scalars(
            update(Enforcement)
            .where(Enforcement.decision_id == decision_id, Enforcement.lifted_at.is_(None))
            .values(lifted_at=now)
            .returning(Enforcement)
        )
    ).all()
    for one in lifted:
        await _settle(session, clock, chat, one)
        await audit.append(session, _enforced("enforcement.lifted", one, account_id))
    return len(lifted)


def _enforced(event: str, one: Enforcement, account_id: UUID) -> Entry:
    return Entry(
        event=event,
        outcome=one.kind,
        trip_id=one.trip_id,
        person_id=one.user_id,
        staff_id=account_id,
        private={"case": str(one.case_id), "decision": str(one.decision_id)},
    )
