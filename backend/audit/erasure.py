"""Taking the private half out of entries: of one subject, or of a month whose time is up.

DANGER: what is destroyed here never comes back. The public half and the tree stay; the entries read "erased". Each
destruction is itself an entry that counts the keys, and the verifier compares: keys that were destroyed behind the
log's back to hide something are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.canonical import Json
from backend.audit.entry import Entry
from backend.audit.intake import AuditLog
from backend.audit.subject_keys import MARKET, RECORD_CLASS
from backend.clock import Clock
from backend.keys import Keyring

DESTROYED = "key.destroyed"
#: Count of an entry `key.destroyed` that the verifier adds up.
COUNT = "audit_keys"
#: Entries that one call blanks, so that no statement holds many row locks.
BATCH = 5_000

_DESTROY_MONTH = text(
    """UPDATE audit_key SET wrapped = NULL, destroyed_at = :now WHERE period = :month AND wrapped IS NOT NULL
    RETURNING id"""
)
_BLANK = text(
    """UPDATE audit_entry SET private_sealed = NULL, trip_mac = NULL, person_mac = NULL, staff_mac = NULL
    WHERE entry_index IN (
        SELECT e.entry_index FROM audit_entry e JOIN audit_key k ON k.id = e.audit_key_id
        WHERE k.wrapped IS NULL AND e.private_sealed IS NOT NULL LIMIT :batch)
    RETURNING entry_index"""
)


async def erase_subject(
    session: AsyncSession, audit: AuditLog, subject: str, *, basis: str, staff_id: UUID | None = None
) -> int:
    """Destroy all audit keys of a subject (a person's id) and write that down; returns how many. Caller commits.

    `basis`: on which decision, as an id or a code.
    """
    destroyed = await audit.keys.destroy(session, subject)
    if destroyed:
        await _note(session, audit, destroyed, staff_id, {"basis": basis})
    return destroyed


async def dispose_month(
    session: AsyncSession, audit: AuditLog, keyring: Keyring, clock: Clock, month: date, *, basis: str
) -> int:
    """Destroy every audit key of a month (its first day) at the end of the class's time; returns how many.

    The entries are unreadable at once; `blank_erased` clears their bytes in batches. Caller commits.
    """
    values = {"now": clock.now(), "month": month}
    destroyed = len((await session.execute(_DESTROY_MONTH, values)).all())
    await keyring.destroy_day(session, market=MARKET, record_class=RECORD_CLASS, day=month)
    if destroyed:
        await _note(session, audit, destroyed, None, {"basis": basis, "month": month.isoformat()})
    return destroyed


async def blank_erased(session: AsyncSession, batch: int = BATCH) -> int:
    """Clear the sealed bytes of up to `batch` entries whose key is destroyed; 0 when none is left. Caller commits."""
    return len((await session.execute(_BLANK, {"batch": batch})).all())


async def _note(
    session: AsyncSession, audit: AuditLog, destroyed: int, staff_id: UUID | None, private: Mapping[str, Json]
) -> None:
    entry = Entry(event=DESTROYED, counts={COUNT: destroyed}, staff_id=staff_id, private=dict(private))
    await audit.append(session, entry)
