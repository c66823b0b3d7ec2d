"""What a provider tells of an attempt: kept as it came, once per event, then applied by rank.

Late, doubled, reordered and unknown ones are kept too, and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.escalation.due import dispatch
from backend.escalation.locking import lock_attempt
from backend.escalation.models import Attempt, Incident, ProviderCallback
from backend.escalation.outcomes import follow_failure
from backend.escalation.parts import Parts, phone_key
from backend.escalation.timeline import add_line
from backend.notification import status

#: The ends of an attempt that call for another channel at once.
_FAILED = frozenset({"failed", "undelivered"})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook call whose signature was right."""

    key: str
    kind: str
    attempt_id: UUID | None
    fields: Mapping[str, str]

    @property
    def sid(self) -> str | None:
        """The provider's id of the call or text."""
        return self.fields.get("CallSid") or self.fields.get("MessageSid")

    @property
    def status(self) -> str | None:
        """The status that it tells."""
        return self.fields.get("CallStatus") or self.fields.get("MessageStatus") or self.fields.get("SmsStatus")


async def store(parts: Parts, session: AsyncSession, event: Event) -> bool:
    """Keep an event; False when it was here before."""
    sealed = phone_key(parts).seal(msgspec.json.encode(dict(event.fields)), event.key.encode())
    values: dict[str, Any] = {
        "event_key": event.key,
        "kind": event.kind,
        "attempt_id": event.attempt_id,
        "sid": event.sid,
        "status": event.status,
        "fields_sealed": sealed,
        "received_at": parts.clock.now(),
        "applied": False,
    }
    done = await session.execute(
        insert(ProviderCallback).values(values).on_conflict_do_nothing().returning(ProviderCallback.event_key)
    )
    return done.first() is not None


async def take_status(parts: Parts, event: Event) -> bool:
    """Keep a status callback and apply it; whether it changed anything."""
    more: list[UUID] = []
    async with parts.db.session() as session:
        if not await store(parts, session, event):
            return False
        changed = False
        failed = status.normal(event.status or "") in _FAILED
        locked = await lock_attempt(session, event.attempt_id, and_incident=failed)
        if locked is not None:
            changed, more = await _apply(parts, session, event, *locked)
        if changed:
            row = await session.get_one(ProviderCallback, event.key)
            row.applied = True
        await session.commit()
    if more:
        await dispatch(parts, more)
    if changed:
        parts.hub.ring_staff("incidents")
    return changed


async def _apply(
    parts: Parts, session: AsyncSession, event: Event, attempt: Attempt, incident: Incident
) -> tuple[bool, list[UUID]]:
    told = status.advanced(attempt.channel, attempt.status, event.status or "")
    other_send = attempt.sid is not None and event.sid is not None and attempt.sid != event.sid
    if told is None or other_send:
        return False, []
    now: datetime = parts.clock.now()
    attempt.sid = attempt.sid or event.sid
    attempt.sent_at = attempt.sent_at or now
    attempt.status, attempt.updated_at = told, now
    attempt.detail = event.fields.get("ErrorCode") or attempt.detail
    add_line(session, incident.id, now, "attempt", f"{attempt.channel}_{told}", account_id=attempt.account_id)
    if told in _FAILED:
        return True, await follow_failure(parts, session, incident, attempt)
    return True, []
