"""Reads made for a reader: history, missed events, one message. What they may not see is not selected."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from backend.errors import ProblemError
from backend.keys import KeyDestroyed, Keyring, body_aad
from backend.messages.receipts import Marks, access_marks
from backend.messages.wire import Message, Opened, flat, message_frame, plain_frame
from backend.realtime import Audience, Numbered
from backend.trips.access import TripView

HISTORY = 50
MAX_LIMIT = 200
#: More missed events than this are not replayed one by one: the client starts from a snapshot.
MAX_RESUME = 1_000

_COLUMNS = """m.id, m.trip_id, m.sender_id, m.sender_type, m.message_type, m.body, m.reader_body,
 m.quick_message_template, m.media_url, m.client_message_id, m.reply_to, m.status, m.reason,
 m.seq_driver, m.seq_customer, m.seq_staff, m.created_at"""
#: Above every number.
_NO_END = 2**63 - 1
_SEQ = {"driver": "seq_driver", "customer": "seq_customer", "staff": "seq_staff"}


async def opened(keyring: Keyring, row: Any) -> Opened:
    """A row with its texts opened; None where the key is destroyed."""
    body = reader_body = None
    if row["body"] is not None or row["reader_body"] is not None:
        trip_id, sender_id, message_id = row["trip_id"], row["sender_id"], row["id"]
        try:
            key = await keyring.get(trip_id, sender_id)
            if row["body"] is not None:
                body = key.open(row["body"], body_aad(trip_id, sender_id, message_id, "text")).decode()
            if row["reader_body"] is not None:
                sealed = row["reader_body"]
                reader_body = key.open(sealed, body_aad(trip_id, sender_id, message_id, "reader")).decode()
        except KeyDestroyed:
            body = reader_body = None
    return Opened(
        row["id"], row["trip_id"], row["sender_id"], row["sender_type"], row["message_type"], body, reader_body,
        row["quick_message_template"], row["media_url"], row["client_message_id"], row["reply_to"], row["status"],
        row["reason"], row["seq_driver"], row["seq_customer"], row["seq_staff"], row["created_at"],
    )  # fmt: skip


async def access_last_seq(pool: Any, trip_id: UUID, audience: str) -> int:
    """The last number of an audience."""
    value = await pool.fetchval(f"SELECT {_SEQ[audience]} FROM trip_chat WHERE trip_id = $1", trip_id)  # noqa: S608
    return int(value or 0)


async def access_epoch(pool: Any) -> str:
    """The epoch of the numbers; another one means that the database was restored."""
    return str(await pool.fetchval("SELECT epoch FROM installation"))


async def access_rows(
    pool: Any, view: TripView, audience: str, *, before_seq: int | None = None, limit: int, up_to: int | None = None
) -> list[Any]:
    """Stored messages that an audience may see, newest first.

    `up_to` leaves out what was numbered later: a reader who goes on from that number then gets every later event, and
    none twice.
    """
    column = _SEQ[audience]
    below = min(_NO_END if before_seq is None else before_seq, _NO_END if up_to is None else up_to + 1)
    rows: list[Any] = await pool.fetch(
        f"""SELECT {_COLUMNS} FROM trip_message m
        WHERE m.trip_id = $1 AND m.expire_on = $2 AND m.{column} > $3 AND m.{column} < $4
        ORDER BY m.{column} DESC LIMIT {int(limit)}""",  # noqa: S608
        view.trip_id,
        view.text_expire_on,
        view.from_seq(audience),
        below,
    )
    return rows


async def access_changes(
    pool: Any, view: TripView, audience: str, after_seq: int, *, limit: int, up_to: int | None = None
) -> list[Any]:
    """What happened to the messages of an audience after a number, in order: `number`, `kind` and the message's row.

    One row an event, so that whoever goes on from the last number gets each of them once: new, masked, removed,
    released. A page by the messages' own numbers would stand still where many older ones had changed.
    """
    column, floor = _SEQ[audience], view.from_seq(audience)
    rows: list[Any] = await pool.fetch(
        f"""SELECT e.{column} AS number, e.kind, {_COLUMNS}
        FROM trip_event e JOIN trip_message m ON m.id = e.message_id AND m.expire_on = e.expire_on
        WHERE e.trip_id = $1 AND e.expire_on = $2 AND e.{column} > $3 AND e.{column} <= $5
          AND m.{column} > $4
        ORDER BY e.{column} LIMIT {int(limit)}""",  # noqa: S608
        view.trip_id,
        view.text_expire_on,
        max(after_seq, floor),
        floor,
        _NO_END if up_to is None else up_to,
    )
    return rows


async def access_history(
    pool: Any,
    keyring: Keyring,
    view: TripView,
    audience: str,
    *,
    after_seq: int | None = None,
    before_seq: int | None = None,
    limit: int = HISTORY,
    up_to: int | None = None,
) -> list[Message]:
    """A page of messages for one audience: newest first, or after a number what happened since, in order.

    After a number every item is as its event is told by socket: `seq` is the event's number, and a change says what it
    is in `change`, and which number the message had in `message_seq`.
    """
    if after_seq is None:
        rows = await access_rows(pool, view, audience, before_seq=before_seq, limit=limit, up_to=up_to)
        marks = await access_marks(pool, view) if rows else Marks()
        return [flat(await opened(keyring, row), audience, view, marks) for row in rows]
    rows = await access_changes(pool, view, audience, after_seq, limit=limit, up_to=up_to)
    marks = await access_marks(pool, view) if rows else Marks()
    return [_as_told(row, await opened(keyring, row), audience, view, marks) for row in rows]


def _as_told(row: Any, message: Opened, audience: str, view: TripView, marks: Marks) -> Message:
    shown = flat(message, audience, view, marks, seq=row["number"])
    if row["kind"] != "new":
        shown.change, shown.message_seq = row["kind"], message.seq_for(audience)
    return shown


async def access_message(pool: Any, keyring: Keyring, view: TripView, message_id: UUID) -> Opened:
    """One message of a trip. Raises `message_not_found`."""
    row = await pool.fetchrow(
        f"SELECT {_COLUMNS} FROM trip_message m WHERE m.id = $1 AND m.expire_on = $2 AND m.trip_id = $3",  # noqa: S608
        message_id,
        view.text_expire_on,
        view.trip_id,
    )
    if row is None:
        raise ProblemError("message_not_found")
    return await opened(keyring, row)


async def access_missed(
    pool: Any, keyring: Keyring, view: TripView, audience: Audience, after: int, limit: int = MAX_RESUME
) -> list[Numbered]:
    """The frames of every event of an audience after number `after`, in order; the same bytes' meaning as live.

    Made for the audience, not for one of its people: whoever came later starts at `view.from_seq`, which is the
    caller's to mind. A lane that skipped numbers would wait for them for ever.
    """
    column = _SEQ[audience]
    rows = await pool.fetch(
        f"""SELECT e.{column} AS number, e.kind, e.payload, e.at, {_COLUMNS}
        FROM trip_event e LEFT JOIN trip_message m ON m.id = e.message_id AND m.expire_on = e.expire_on
        WHERE e.trip_id = $1 AND e.expire_on = $2 AND e.{column} > $3 ORDER BY e.{column} LIMIT {int(limit)}""",  # noqa: S608
        view.trip_id,
        view.text_expire_on,
        after,
    )
    if not rows:
        return []
    marks = await access_marks(pool, view)
    parts: list[Numbered] = []
    for row in rows:
        if row["id"] is None:
            parts.append(plain_frame(row["kind"], _payload(row), view.trip_id, row["number"], row["at"]))
        else:
            message = await opened(keyring, row)
            parts.append(message_frame(row["kind"], message, audience, view, marks, row["number"]))
    return parts


def _payload(row: Any) -> dict[str, Any]:
    """asyncpg hands JSONB over as text."""
    return msgspec.json.decode(row["payload"]) if row["payload"] else {}
