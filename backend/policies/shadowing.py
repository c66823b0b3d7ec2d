"""Writes down where the shadow would have said otherwise: in batches, bounded, and never while a sender waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from backend.clock import Clock
from moderation import Verdict

log = structlog.get_logger("policies")

#: Differences that may wait, that one statement writes, and how long the first of them waits.
WAITING, BATCH, GATHER_S = 2_000, 500, 0.5
WRITE_WITHIN_S = 5.0
#: A comparison of two policies is of no use for longer; nor are differences kept beyond their message's verdict.
KEPT = timedelta(days=30)
#: How often rows past their day are removed, and how many in one statement.
REMOVE_EVERY_S, REMOVED = 600.0, 1_000

#: A message is found by its sender's trip and the moment it was taken in, which no two of one sender share.
_INSERT = """
INSERT INTO policy_difference
    (message_id, trip_id, policy, outcome, flags, shadow, shadow_outcome, shadow_flags, at, expire_on)
SELECT m.id, m.trip_id, d.policy, d.outcome, string_to_array(d.flags, ','),
       d.shadow, d.shadow_outcome, string_to_array(d.shadow_flags, ','), m.created_at, d.expire_on
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::date[], $5::date[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[])
    AS d (trip_id, sender_id, at, text_expire_on, expire_on, policy, outcome, flags, shadow, shadow_outcome,
          shadow_flags)
JOIN trip_message m ON m.trip_id = d.trip_id AND m.expire_on = d.text_expire_on AND m.sender_id = d.sender_id
    AND m.created_at = d.at
ON CONFLICT (message_id) DO NOTHING
"""
_REMOVE = """DELETE FROM policy_difference WHERE message_id IN
    (SELECT message_id FROM policy_difference WHERE expire_on <= $1 LIMIT $2)"""


class Difference(NamedTuple):
    """Two answers to one message, in the order of the statement's columns."""

    trip_id: UUID
    sender_id: UUID
    at: datetime
    text_expire_on: date
    expire_on: date
    policy: str
    outcome: str
    flags: str
    shadow: str
    shadow_outcome: str
    shadow_flags: str


def difference(
    verdict: Verdict, other: Verdict, trip_id: UUID, sender_id: UUID, at: float, days: tuple[date, date]
) -> Difference | None:
    """What to write down of two verdicts; None where they agree. `days`: when text and verdict of the trip expire."""
    if verdict.outcome == other.outcome and verdict.flags == other.flags:
        return None
    # Microseconds are what PostgreSQL keeps; the float holds them until the year 2242.
    moment = datetime.fromtimestamp(at, UTC)
    text_expire_on, verdict_expire_on = days
    return Difference(
        trip_id, sender_id, moment, text_expire_on, min(verdict_expire_on, moment.date() + KEPT),
        verdict.policy, verdict.outcome, ",".join(verdict.flags),
        other.policy, other.outcome, ",".join(other.flags),
    )  # fmt: skip


class ShadowRecorder:
    """Takes differences without waiting and writes them a moment later; what is too much is dropped and counted."""

    def __init__(self, pool: Callable[[], Any], clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._waiting: deque[Difference] = deque()
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._remove_after = 0.0
        #: `judged` by both, `differed`, `written`, and `dropped`.
        self.counts: Counter[str] = Counter()

    def take(self, found: Difference) -> None:
        """Keep a difference for the next write. Never waits and never raises."""
        self.counts["differed"] += 1
        if len(self._waiting) >= WAITING:
            self.counts["dropped"] += 1
            return
        self._waiting.append(found)
        self._due.set()

    def start(self) -> None:
        """Write from now on."""
        self._task = asyncio.create_task(self._keep(), name="policy-shadow")

    async def stop(self) -> None:
        """Write what waits and end; a database that does not take it is not asked twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting and await self._write():
            pass

    async def _keep(self) -> None:
        while True:
            await self._remove()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), REMOVE_EVERY_S)
                await asyncio.sleep(GATHER_S)
                self._due.clear()
                while self._waiting:
                    await self._write()

    async def _remove(self) -> None:
        """Rows past their day, also when no shadow writes any more; at most every `REMOVE_EVERY_S`."""
        now = asyncio.get_running_loop().time()
        if now < self._remove_after:
            return
        self._remove_after = now + REMOVE_EVERY_S
        try:
            while await self._pool().execute(_REMOVE, self._clock.now().date(), REMOVED) == f"DELETE {REMOVED}":
                pass
        except Exception as error:  # noqa: BLE001  (the next turn tries again)
            log.warning("policy.differences_kept", error=type(error).__name__)

    async def _write(self) -> bool:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            done = await self._pool().execute(_INSERT, *map(list, zip(*batch, strict=True)), timeout=WRITE_WITHIN_S)
        except asyncio.CancelledError:
            self._waiting.extendleft(reversed(batch))
            raise
        except Exception as error:  # noqa: BLE001  (a comparison is never worth a message)
            self.counts["dropped"] += len(batch)
            log.warning("policy.differences_dropped", count=len(batch), error=type(error).__name__)
            return False
        self.counts["written"] += int(done.rsplit(" ", 1)[1])
        return True
