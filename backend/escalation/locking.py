"""Who locks what, and in which order: the incident, then its attempts.

What only tells of an attempt leaves the incident unlocked: a storm of callbacks must not keep the sweepers, which skip
locked rows, from its next step. All locks of incidents are FOR NO KEY UPDATE, so that rows that point to one can be
written meanwhile.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.escalation.models import Attempt, Incident


async def lock_incident(session: AsyncSession, incident_id: UUID | None) -> Incident | None:
    """An incident as it is now, locked until the end of the transaction."""
    query = select(Incident).where(Incident.id == incident_id).with_for_update(key_share=True)
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def lock_attempt(
    session: AsyncSession, attempt_id: UUID | None, *, and_incident: bool
) -> tuple[Attempt, Incident] | None:
    """An attempt, locked, and its incident, locked before it where `and_incident` says so; None when there is none."""
    incident_id = await session.scalar(select(Attempt.incident_id).where(Attempt.id == attempt_id))
    incident = await lock_incident(session, incident_id) if and_incident else await session.get(Incident, incident_id)
    if incident is None:
        return None
    query = select(Attempt).where(Attempt.id == attempt_id).with_for_update(key_share=True)
    attempt = (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()
    return (attempt, incident) if attempt is not None else None
