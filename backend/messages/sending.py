"""The send itself: seal, one SQL function, commit. No ORM here: this is what every message pays for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.audit import Prepared
from backend.keys import DataKey, body_aad
from backend.trips.access import TripView

#: Types of the arguments of `chat_send`, in order.
_TYPES = [
    "uuid",
    "uuid",
    "text",
    "timestamptz",
    "text",
    "timestamptz",
    "uuid",
    "uuid",
    "bytea",
    "text",
    "bytea",
    "bytea",
    "text",
    "uuid",
    "text",
    "text",
    "boolean",
    "text",
    "text[]",
    "jsonb",
    "jsonb",
    "text",
    "text",
    "bytea",
    "text",
    "timestamptz",
    "bytea",
    "uuid",
    "bytea",
    "bytea",
    "bytea",
]
SEND = f"SELECT * FROM chat_send({', '.join(f'${n}' for n in range(1, len(_TYPES) + 1))})"  # noqa: S608
_SEND_IN_SESSION = text(
    f"SELECT * FROM chat_send({', '.join(f'CAST(:p{n} AS {kind})' for n, kind in enumerate(_TYPES))})"  # noqa: S608
)


_OWN_TRY = """
SELECT m.seq_driver, m.seq_customer, m.seq_staff
FROM trip_message m JOIN trip_chat c ON c.trip_id = m.trip_id AND c.expire_on = m.expire_on
WHERE m.id = $1 AND c.trip_id = $2
"""


class Judged(NamedTuple):
    """What the judge said, in the form in which it is stored."""

    outcome: str
    flags: tuple[str, ...]
    labels: bytes
    signals: bytes
    policy: str
    model: str


class Draft(NamedTuple):
    """A message that is ready to be stored. `reader_text`: what the other side reads, where that differs."""

    id: UUID
    client_message_id: UUID | None
    message_type: str
    text: str
    reader_text: str | None
    template_key: str | None
    reply_to: UUID | None
    status: str
    reason: str | None
    peer_sees: bool
    judged: Judged
    at: datetime


class Sent(NamedTuple):
    """How it ended: `ok`, `repeat`, or the code of a refusal; then the numbers of each audience."""

    code: str
    seq_driver: int | None
    seq_customer: int | None
    seq_staff: int | None
    earlier_id: UUID | None


def content_mac(key: DataKey, message_type: str, text_: str, template_key: str | None, reply_to: UUID | None) -> bytes:
    """What two messages of one `clientMessageId` have to share, or the second is refused."""
    return key.mac(msgspec.json.encode((message_type, template_key or text_, template_key, reply_to)))


def arguments(view: TripView, caller: Caller, key: DataKey, draft: Draft, prepared: Prepared) -> tuple[Any, ...]:
    """The arguments of `chat_send`, bodies sealed."""
    trip_id, sender_id = view.trip_id, caller.id
    body = key.seal(draft.text.encode(), body_aad(trip_id, sender_id, draft.id, "text"))
    reader = None
    if draft.reader_text is not None:
        reader = key.seal(draft.reader_text.encode(), body_aad(trip_id, sender_id, draft.id, "reader"))
    judged = draft.judged
    return (
        trip_id, sender_id, caller.role, caller.issued_at, caller.token_id, draft.at,
        draft.id, draft.client_message_id,
        content_mac(key, draft.message_type, draft.text, draft.template_key, draft.reply_to),
        draft.message_type, body, reader, draft.template_key, draft.reply_to, draft.status, draft.reason,
        draft.peer_sees, judged.outcome, list(judged.flags), judged.labels.decode(), judged.signals.decode(),
        judged.policy, judged.model, *prepared.columns,
    )  # fmt: skip


async def access_own_try(pool: Any, trip_id: UUID, message_id: UUID) -> Sent | None:
    """What became of a try under this id that nobody had heard of; None when it was not stored."""
    row = await pool.fetchrow(_OWN_TRY, message_id, trip_id)
    return None if row is None else Sent("ok", row["seq_driver"], row["seq_customer"], row["seq_staff"], None)


async def send_in_session(session: AsyncSession, values: tuple[Any, ...]) -> Sent:
    """The same inside a transaction that also opens a case or an incident; the caller commits."""
    found = await session.execute(_SEND_IN_SESSION, {f"p{n}": value for n, value in enumerate(values)})
    return Sent(*found.one())
