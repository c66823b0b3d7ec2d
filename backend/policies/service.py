"""The only writer of policies: import a version, put one in force, put one beside it. Every act is in the log.

Nobody reads a file here that the judge could not use: it is checked before it becomes a row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog, Entry
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.policies.access import access_standing, access_version
from backend.policies.models import ACTIVATE, SHADOW, PolicyAct, PolicyVersion
from moderation import Policy, PolicyError, parse_policy

#: Acts come one after the other, so that their numbers are in the order of their commits. Arbitrary but fixed.
LOCK = 7_714_009
LONGEST_REASON = 1_000


@dataclass(frozen=True)
class Act:
    """Why something is done, and by whom; no account: somebody at a terminal of the installation."""

    reason: str
    account_id: UUID | None = None


def check_policy(source: bytes, name: str) -> Policy:
    """The policy of a file called `name`. Raises `invalid_value` with file, line, column and remedy."""
    try:
        return parse_policy(source, name)
    except PolicyError as error:
        raise ProblemError("invalid_value", str(error), file=name, line=error.line, column=error.column) from error


def _check_reason(act: Act) -> None:
    if not act.reason.strip():
        raise ProblemError("rationale_required", "Say why: a policy is not changed without a reason.")
    if len(act.reason) > LONGEST_REASON:
        raise ProblemError("invalid_value", f"A reason has at most {LONGEST_REASON:,} characters.")


async def import_policy(
    session: AsyncSession, audit: AuditLog, clock: Clock, source: bytes, name: str, act: Act
) -> tuple[PolicyVersion, bool]:
    """Keep a file as a version, without any effect yet; returns it and whether it is new.

    The same bytes again are the same version. Raises `invalid_value`, `rationale_required`, and `conflict` where the
    version's name is taken by other bytes.
    """
    policy = check_policy(source, name)
    _check_reason(act)
    version, sha256 = policy.document.version, hashlib.sha256(source).digest()
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    known = await session.scalar(
        select(PolicyVersion).where(or_(PolicyVersion.version == version, PolicyVersion.sha256 == sha256))
    )
    if known is not None:
        if known.sha256 != sha256:
            raise ProblemError(
                "conflict", f"Version {version!r} is there already with other content: give the file a new `version`."
            )
        return known, False
    row = PolicyVersion(
        id=new_id(), version=version, digest=policy.digest, sha256=sha256, document=source,
        reason=act.reason, account_id=act.account_id, created_at=clock.now(),
    )  # fmt: skip
    session.add(row)
    await audit.append(session, _entry("policy.imported", row, act))
    return row, True


async def activate(session: AsyncSession, audit: AuditLog, clock: Clock, named: str, act: Act) -> PolicyVersion:
    """Put a version in force; a shadow of the same version ends with it. What is in force already stays, unrecorded.

    After its commit the caller rings `policy_changed`. Raises `not_found`, `rationale_required`, `invalid_value`.
    """
    row, active, shadow = await _begin(session, named, act)
    if row.id == active:
        return row
    _add(session, clock, ACTIVATE, row.id, act)
    if row.id == shadow:
        _add(session, clock, SHADOW, None, act)
    await audit.append(session, _entry("policy.activated", row, act))
    return row


async def put_in_shadow(session: AsyncSession, audit: AuditLog, clock: Clock, named: str, act: Act) -> PolicyVersion:
    """Let a version judge beside the one in force, without effect, instead of any other.

    After its commit the caller rings `policy_changed`. Raises `not_found`, `rationale_required`, `invalid_value`, and
    `conflict` for the version that is in force.
    """
    row, active, shadow = await _begin(session, named, act)
    if row.id == active:
        raise ProblemError("conflict", "This version is in force: there is nothing to compare.")
    if row.id != shadow:
        _add(session, clock, SHADOW, row.id, act)
        await audit.append(session, _entry("policy.shadowed", row, act))
    return row


async def end_shadow(session: AsyncSession, audit: AuditLog, clock: Clock, act: Act) -> bool:
    """Take the shadow off; returns whether there was one. After its commit the caller rings `policy_changed`."""
    _check_reason(act)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    _, shadow = await access_standing(session)
    if shadow is None:
        return False
    row = await session.get_one(PolicyVersion, shadow)
    _add(session, clock, SHADOW, None, act)
    await audit.append(session, _entry("policy.shadow_ended", row, act))
    return True


async def _begin(session: AsyncSession, named: str, act: Act) -> tuple[PolicyVersion, UUID | None, UUID | None]:
    _check_reason(act)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    row = await access_version(session, named)
    # Code that has become stricter since the import must not be given what it cannot use.
    check_policy(row.document, row.version)
    return row, *await access_standing(session)


def _add(session: AsyncSession, clock: Clock, kind: str, version_id: UUID | None, act: Act) -> None:
    session.add(
        PolicyAct(act=kind, version_id=version_id, reason=act.reason, account_id=act.account_id, at=clock.now())
    )


def _entry(event: str, row: PolicyVersion, act: Act) -> Entry:
    """The entry names the version by its digest; the reason is people's words and is sealed."""
    return Entry(
        event=event,
        policy=f"{row.version}:{row.digest}",
        staff_id=act.account_id,
        private={"version_id": str(row.id), "sha256": row.sha256.hex(), "reason": act.reason},
    )
