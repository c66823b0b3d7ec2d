"""What is due: messages that nobody has reached two seconds after their commit, and pushes that nobody sent.

One sweeper looks once a second, with one statement: which open chats were written since, and have another last number
than before. Two seconds later it asks about exactly those numbers whether a receipt covers them. So a message is
asked about once, 2 to 3 seconds after its commit, a chat in which nothing happens costs nothing more, and nothing
is added to a send. What it remembers of the last looks lies in memory: whoever starts anew asks about everything that
is younger than a push lives, and the key (message, device) keeps a second row from being made.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import text

from backend.push.access import access_chats
from backend.push.parts import Parts
from backend.push.queueing import Key, hand_over
from backend.push.sending import send_pushes
from backend.push.service import Moved, dispose, make_due

log = structlog.get_logger("push")

#: An app has so long to say that it has stored a message.
PATIENCE = timedelta(seconds=2)
#: Sweepers agree through Valkey who looks, for so long at a time. Without Valkey each of them does: no row is doubled.
LEASE_MS, ASK_AGAIN_S = 4_000, 1.5
LEASE_KEY = "tripwarden:push:lookout"
VALKEY_PATIENCE_S = 0.5
#: So often all open chats are looked at, so that those that have closed are forgotten.
WHOLE_EVERY_S = 600.0
#: Chats of one statement: a whole city that has to be asked about at a start is asked in parts.
BATCH = 500
#: A push that no worker picked up after so many seconds is sent by the sweeper itself.
PICK_UP_S = 2
DISPOSE_EVERY = timedelta(hours=1)

#: Part of a sweeper's one look: would `pick_up` find anything at `$1`?
DUE = f"""EXISTS (
    SELECT FROM push
    WHERE status IN ('due', 'sending', 'retry') AND due_at <= $1::timestamptz
      AND (status <> 'sending' OR claimed_until <= $1)
      AND (enqueued_at IS NULL OR enqueued_at <= $1 - interval '{PICK_UP_S} s')
)"""

_PICK_UP = text(
    """
    WITH ripe AS (
        SELECT message_id, device_id, enqueued_at AS was FROM push
        WHERE status IN ('due', 'sending', 'retry') AND due_at <= :now
          AND (status <> 'sending' OR claimed_until <= :now) AND (enqueued_at IS NULL OR enqueued_at <= :stale)
        ORDER BY due_at LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE push p SET enqueued_at = :now FROM ripe
    WHERE p.message_id = ripe.message_id AND p.device_id = ripe.device_id
    RETURNING p.message_id, p.device_id, ripe.was
    """
)


class Lookout:
    """The memory of one sweeper. `run_due` is its loop, called about once a second."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(8)
        self._known: dict[UUID, int] = {}
        self._bound: str | None = None
        self._whole_at = 0.0
        self._moved: deque[tuple[datetime, dict[date, list[Moved]]]] = deque()
        self._leading, self._ask_at = False, 0.0
        self._dispose_at: datetime | None = None

    async def run_due(self, parts: Parts) -> int:
        """Make and hand out what is due; how many pushes that were."""
        if not await self._leads(parts):
            self.forget()
            return 0
        now = parts.clock.now()
        await self._look(parts, now)
        made = await self._ask(parts, now)
        if made and not await hand_over(parts.broker, made):
            await send_pushes(parts, made)
        if self._dispose_at is None or self._dispose_at <= now:
            self._dispose_at = now + DISPOSE_EVERY
            async with parts.db.session() as session:
                await dispose(session, now)
        return len(made)

    def forget(self) -> None:
        """Somebody else looks now."""
        self._known, self._bound = {}, None
        self._moved.clear()

    async def _leads(self, parts: Parts) -> bool:
        """Whether this one looks; asked anew every `ASK_AGAIN_S`."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._ask_at:
            return self._leading
        try:
            async with asyncio.timeout(VALKEY_PATIENCE_S):
                holder = await parts.redis.set(LEASE_KEY, self._name, nx=True, px=LEASE_MS, get=True)
                self._leading = holder is None or holder == self._name.encode()
                if holder is not None and self._leading:
                    await parts.redis.pexpire(LEASE_KEY, LEASE_MS)
        except (RedisError, OSError, TimeoutError):
            self._leading = True
        self._ask_at = now_s + ASK_AGAIN_S
        return self._leading

    async def _look(self, parts: Parts, now: datetime) -> None:
        """Note which chats have moved since the last look."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._whole_at:
            self._bound, self._whole_at = None, now_s + WHOLE_EVERY_S
        bound, chats = await access_chats(parts.db.pool, now, self._bound)
        moved: dict[date, list[Moved]] = {}
        for trip_id, seq_staff, expire_on in chats:
            before = self._known.get(trip_id, 0)
            if before != seq_staff:
                moved.setdefault(expire_on, []).append(Moved(trip_id, before, seq_staff))
        latest = {chat[0]: chat[1] for chat in chats}
        if self._bound is None:
            self._known = latest  # those that have closed are forgotten
        else:
            self._known.update(latest)
        self._bound = bound
        if moved:
            self._moved.append((now, moved))

    async def _ask(self, parts: Parts, now: datetime) -> list[Key]:
        """Ask about what was noted two seconds ago."""
        made: list[Key] = []
        ttl = timedelta(seconds=parts.settings.push.ttl_s)
        while self._moved and self._moved[0][0] <= now - PATIENCE:
            for day, chats in self._moved[0][1].items():
                for start in range(0, len(chats), BATCH):
                    made += await make_due(parts.db.pool, chats[start : start + BATCH], day, now, ttl)
            # Not before it is done: after a failure the same is asked again.
            self._moved.popleft()
        return made


async def pick_up(parts: Parts) -> int:
    """A retry whose time has come goes to the workers; what they left lying is sent from here. How many there were."""
    now = parts.clock.now()
    values: dict[str, Any] = {"now": now, "stale": now - timedelta(seconds=PICK_UP_S)}
    async with parts.db.session() as session:
        rows = (await session.execute(_PICK_UP, values)).all()
        await session.commit()
    fresh: list[Key] = [(row.message_id, row.device_id) for row in rows if row.was is None]
    left: list[Key] = [(row.message_id, row.device_id) for row in rows if row.was is not None]
    if fresh and not await hand_over(parts.broker, fresh):
        left += fresh
    elif left:
        log.warning("push.not_picked_up", count=len(left))
    if left:
        await send_pushes(parts, left)
    return len(rows)
