"""Lines of an incident's timeline."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.db import new_id
from backend.escalation.models import IncidentEvent


def add_line(
    session: AsyncSession,
    incident_id: UUID,
    at: datetime,
    kind: str,
    text_code: str,
    *,
    who: str | None = None,
    account_id: UUID | None = None,
    note_sealed: bytes | None = None,
) -> None:
    """Append what happened. `kind`: press, step, attempt, acknowledgement, note, lease, resolution."""
    session.add(
        IncidentEvent(
            id=new_id(),
            incident_id=incident_id,
            at=at,
            kind=kind,
            text_code=text_code,
            who=who,
            account_id=account_id,
            note_sealed=note_sealed,
        )
    )
