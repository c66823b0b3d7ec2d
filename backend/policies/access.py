"""What may be read of policies: versions, which of them is in force, and where a shadow would have said otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import ProblemError
from backend.policies.models import ACTIVATE, SHADOW, PolicyAct, PolicyDifference, PolicyVersion

#: Versions and acts that one answer holds at most.
LISTED = 200

#: One row, whatever was done: the number of the newest act, then version and file of either place. Two index look-ups
#: where nothing was ever done.
IN_FORCE = """
SELECT (SELECT max(number) FROM policy_act) AS number, a.version AS active, a.document AS active_document,
       s.version AS shadow, s.document AS shadow_document
FROM (SELECT) AS one
LEFT JOIN policy_version a ON a.id =
    (SELECT version_id FROM policy_act WHERE act = 'activate' ORDER BY number DESC LIMIT 1)
LEFT JOIN policy_version s ON s.id =
    (SELECT version_id FROM policy_act WHERE act = 'shadow' ORDER BY number DESC LIMIT 1)
"""
NEWEST = "SELECT max(number) FROM policy_act"


class InstalledPolicies(msgspec.Struct, frozen=True):
    """What the rows say: the newest act's number (0: none yet) and the files, None where there is none."""

    number: int
    active: bytes | None
    shadow: bytes | None


class VersionView(msgspec.Struct, frozen=True):
    """A version as it is listed; `standing` is `active`, `shadow` or empty."""

    id: UUID
    version: str
    digest: str
    standing: str
    reason: str
    account_id: UUID | None
    created_at: datetime


class ActView(msgspec.Struct, frozen=True):
    """What was done, with which version (None: the shadow was taken off), why, by whom, when."""

    act: str
    version: str | None
    reason: str
    account_id: UUID | None
    at: datetime


class DifferenceCount(msgspec.Struct, frozen=True):
    """How many messages had these two answers: of the policy in force, and of the shadow."""

    outcome: str
    flags: list[str]
    shadow_outcome: str
    shadow_flags: list[str]
    messages: int


async def access_newest(pool: Any) -> int:
    """The number of the newest act, 0 before the first: the cheap look of every process."""
    return int(await pool.fetchval(NEWEST) or 0)


async def access_installed(pool: Any) -> InstalledPolicies:
    """What is in force by the rows. `pool` is the asyncpg pool."""
    row = await pool.fetchrow(IN_FORCE)
    return InstalledPolicies(int(row["number"] or 0), row["active_document"], row["shadow_document"])


async def access_standing(session: AsyncSession) -> tuple[UUID | None, UUID | None]:
    """The ids of the version in force and of the shadow."""

    async def newest(act: str) -> UUID | None:
        query = select(PolicyAct.version_id).where(PolicyAct.act == act)
        return await session.scalar(query.order_by(PolicyAct.number.desc()).limit(1))

    return await newest(ACTIVATE), await newest(SHADOW)


async def access_versions(session: AsyncSession) -> list[VersionView]:
    """The versions, the newest first."""
    active, shadow = await access_standing(session)
    rows = await session.scalars(select(PolicyVersion).order_by(PolicyVersion.id.desc()).limit(LISTED))
    return [_view(row, active, shadow) for row in rows]


def _view(row: PolicyVersion, active: UUID | None, shadow: UUID | None) -> VersionView:
    standing = "active" if row.id == active else "shadow" if row.id == shadow else ""
    return VersionView(row.id, row.version, row.digest, standing, row.reason, row.account_id, row.created_at)


async def access_version(session: AsyncSession, named: str) -> PolicyVersion:
    """The version called `named`: "2026.11-1", its digest, or both as in a verdict. Raises `not_found`."""
    version, _, digest = named.rpartition(":")
    query = select(PolicyVersion)
    if version:
        query = query.where(PolicyVersion.version == version, PolicyVersion.digest == digest)
    else:
        query = query.where(or_(PolicyVersion.version == named, PolicyVersion.digest == named))
    found = (await session.scalars(query.limit(2))).all()
    if len(found) != 1:
        raise ProblemError("not_found", f"There is no policy {named!r}; `tripwarden policy list` shows all.")
    return found[0]


async def access_acts(session: AsyncSession) -> list[ActView]:
    """What was done, the newest first."""
    rows = await session.execute(
        select(PolicyAct, PolicyVersion.version)
        .join(PolicyVersion, PolicyVersion.id == PolicyAct.version_id, isouter=True)
        .order_by(PolicyAct.number.desc())
        .limit(LISTED)
    )
    return [ActView(act.act, version, act.reason, act.account_id, act.at) for act, version in rows]


async def access_differences(session: AsyncSession, shadow: str) -> list[DifferenceCount]:
    """Where the shadow called `shadow` ("version:digest") would have said otherwise, the most frequent first."""
    kind = (
        PolicyDifference.outcome,
        PolicyDifference.flags,
        PolicyDifference.shadow_outcome,
        PolicyDifference.shadow_flags,
    )
    count = func.count()
    rows = await session.execute(
        select(*kind, count).where(PolicyDifference.shadow == shadow).group_by(*kind).order_by(count.desc(), *kind)
    )
    return [DifferenceCount(*row) for row in rows]
