"""What is stored after a run: rows of the chat, and the audit log, opened and verified."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from backend.audit.note import Signer
from backend.audit.search import Filters, access_entries
from backend.audit.sequencing import run_once
from backend.audit.verify_database import verify_database
from backend.bootstrap import build
from backend.clock import MovableClock
from tests.chaos.histories import EventRow, MessageRow, ReceiptRow, Rows
from tests.chaos.house import House

_MESSAGES = """SELECT m.id::text, m.trip_id::text AS trip, m.sender_id::text AS sender, m.sender_type,
  m.client_message_id::text AS client_id, m.status, v.outcome, m.seq_driver, m.seq_customer
FROM trip_message m LEFT JOIN trip_verdict v ON v.message_id = m.id ORDER BY m.trip_id, m.seq_staff"""
_EVENTS = """SELECT trip_id::text AS trip, seq_staff, seq_driver, seq_customer, kind, message_id::text
FROM trip_event ORDER BY trip_id, seq_staff"""
_RECEIPTS = """SELECT trip_id::text AS trip, user_id::text AS person, kind, up_to_seq,
  extract(epoch FROM at)::float8 AS at FROM trip_receipt"""
_LAST = "SELECT trip_id::text AS trip, seq_driver, seq_customer FROM trip_chat"
#: Acts on a message, as the log names them.
CODES = ("message.accepted", "message.rejected", "message.masked", "message.removed", "message.released")


async def last_numbers(connection: Any) -> dict[str, dict[str, int]]:
    """trip -> role -> last number."""
    rows = await connection.fetch(_LAST)
    return {row["trip"]: {"driver": row["seq_driver"], "customer": row["seq_customer"]} for row in rows}


async def collect(house: House) -> Rows:
    """Everything, once nobody writes any more. The product's own processes have to be stopped."""
    connection = await house.connect()
    try:
        rows = Rows(
            messages=[MessageRow(**row) for row in await connection.fetch(_MESSAGES)],
            events=[EventRow(**row) for row in await connection.fetch(_EVENTS)],
            receipts=[ReceiptRow(**row) for row in await connection.fetch(_RECEIPTS)],
            last=await last_numbers(connection),
        )
    finally:
        await connection.close()
    await _read_the_log(house, rows)
    return rows


async def _read_the_log(house: House, rows: Rows) -> None:
    """Sequence what waits, close the numbers of those who died (a minute later: time is moved), verify, open."""
    settings = house.settings
    signer = Signer.load(settings.data.dir, settings.audit.key_file, settings.audit.origin)
    later = MovableClock()
    later.move(timedelta(seconds=90))
    async with build(settings, producer="checker", clock=later) as services:
        while await _still_open(services.db.pool):
            await run_once(services.db, later, signer)
        report = await verify_database(services.db, later, signer.verifier, keys=services.audit.keys)
        if report.exit_code:
            told = "\n".join(report.lines())
            rows.audit_faults = [*report.lines(), *await _lives_in(told, services.db.pool)]
        audited: dict[str, list[str]] = defaultdict(list)
        for code in CODES:
            cursor: int | None = None
            while True:
                async with services.db.session() as session:
                    filters = Filters(event=code, cursor=cursor, limit=200)
                    page = await access_entries(session, services.audit.keys, filters)
                audited[code] += [_message_of(item.private) for item in page.items]
                if (cursor := page.cursor) is None:
                    break
        rows.audited = dict(audited)


async def _still_open(pool: Any) -> bool:
    """Whether entries wait for their place, or somebody who died has numbers to be closed."""
    waiting = "SELECT EXISTS (SELECT FROM audit_intake)"
    unclosed = "SELECT EXISTS (SELECT FROM audit_producer WHERE ended_at IS NULL AND producer <> 'checker')"
    return await pool.fetchval(waiting) or await pool.fetchval(unclosed)


async def _lives_in(told: str, pool: Any) -> list[str]:
    """How each life that is named there ended, for whoever looks for the reason."""
    rows = await pool.fetch("SELECT * FROM audit_producer ORDER BY seen_at")
    return [
        f"(life {row['boot']} of {row['producer']}: closed up to {row['closed_up_to']},"
        f" seen {row['seen_at']:%H:%M:%S.%f}, ended {row['ended_at']})"
        for row in rows
        if row["boot"] in told
    ]


def _message_of(private: Any) -> str:
    return str(private.get("message_id")) if isinstance(private, dict) else str(private)
