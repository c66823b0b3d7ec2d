"""The lives of producers: they say how far their numbers are closed; for one that died the sequencer closes the rest.

A process that is killed takes numbers with it: their transactions rolled back, and nobody is left to write their voids.
The sequencer writes them with the outcome `lost`, but only for numbers that the producer itself never called closed. A
row that is taken out of the intake behind the back of a living producer therefore stays a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from backend.audit.intake import INSERT_SQL, AuditLog
from backend.audit.leaf import LOST, VOID, check_leaf, void_leaf
from backend.audit.store import LEADER_LOCK
from backend.clock import Clock
from backend.db import Database

#: How often a producer closes its voids and says that it lives, and after how long a silence it is taken for dead.
BEAT_S = 2.0
DEAD_AFTER = timedelta(seconds=60)
#: No transaction runs for longer, so no older entry can belong to a number that was open at the last beat.
LONGEST_TRANSACTION = timedelta(minutes=10)

log = structlog.get_logger()

_BEAT = """INSERT INTO audit_producer (boot, producer, closed_up_to, seen_at, ended_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (boot) DO UPDATE SET closed_up_to = $3, seen_at = $4, ended_at = $5"""
_DEAD = """SELECT boot, producer, closed_up_to, seen_at FROM audit_producer
WHERE ended_at IS NULL AND seen_at < $1 ORDER BY seen_at LIMIT 1"""
_ITS_LEAVES = """SELECT leaf FROM audit_entry WHERE at BETWEEN $1 AND $2 AND position($3::bytea IN leaf) = 2
UNION ALL SELECT leaf FROM audit_intake WHERE position($3::bytea IN leaf) = 2"""
_ENDED = "UPDATE audit_producer SET ended_at = $2 WHERE boot = $1"


@asynccontextmanager
async def kept_closed(db: Database, clock: Clock, audit: AuditLog, every_s: float = BEAT_S) -> AsyncGenerator[None]:
    """While a process appends: write its voids every `every_s` seconds and say that it lives; then, that it ended."""
    beating = asyncio.create_task(_keep_beating(db, clock, audit, every_s), name="audit-beat")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await asyncio.shield(_try_to_beat(db, clock, audit, ended=True))


async def beat(db: Database, clock: Clock, audit: AuditLog, *, ended: bool = False) -> None:
    """Write the voids and say how far the numbers are closed."""
    await audit.flush_voids()
    now = clock.now()
    # A number that is still open at the end has nobody left to close it: this life is then one that died.
    ended_at = now if ended and audit.all_closed else None
    values = (audit.boot, audit.producer, audit.closed_up_to, now, ended_at)
    await db.pool.execute(_BEAT, *values)


async def close_lost(db: Database, clock: Clock, origin: str) -> int:
    """Close the lost numbers of one producer that died, if there is one; returns how many. Only the leader does."""
    async with db.pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LEADER_LOCK):
            return 0
        now = clock.now()
        dead = await connection.fetchrow(_DEAD, now - DEAD_AFTER)
        if dead is None:
            return 0
        lost = await _lost_numbers(connection, dead)
        await connection.executemany(INSERT_SQL, [_lost(origin, dead, number, now) for number in lost])
        await connection.execute(_ENDED, dead["boot"], now)
        return len(lost)


async def _keep_beating(db: Database, clock: Clock, audit: AuditLog, every_s: float) -> None:
    while True:
        await _try_to_beat(db, clock, audit)
        await asyncio.sleep(every_s)


async def _try_to_beat(db: Database, clock: Clock, audit: AuditLog, *, ended: bool = False) -> None:
    try:
        await beat(db, clock, audit, ended=ended)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The numbers stay open: a later beat closes them, or the sequencer does when this process is gone.
        log.warning("audit.beat_failed", producer=audit.producer, error=type(error).__name__)


async def _lost_numbers(connection: Any, dead: Any) -> list[int]:
    """Numbers between the first that was open at its last beat and the last that arrived, and did not arrive."""
    start: datetime = dead["seen_at"] - LONGEST_TRANSACTION
    mark = f'"boot":"{dead["boot"]}"'.encode()
    rows = await connection.fetch(_ITS_LEAVES, start, dead["seen_at"] + LONGEST_TRANSACTION, mark)
    arrived = {check_leaf(row["leaf"]).pseq for row in rows}
    return [number for number in range(dead["closed_up_to"] + 1, max(arrived, default=0)) if number not in arrived]


def _lost(origin: str, dead: Any, number: int, now: datetime) -> tuple[object, ...]:
    leaf = void_leaf(origin, dead["producer"], dead["boot"], number, now, LOST)
    return (leaf, VOID, now, None, None, None, None, None)
