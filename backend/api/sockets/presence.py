"""Who is online. Kept in Valkey with an expiry, because it is only a courtesy and never the truth of anything."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

#: A process that dies without a word leaves its people online for this long.
LIFE_S = 90
#: Whoever is still here is said to be so this often; also after Valkey has forgotten everything.
REFRESH_S = 30.0
#: Nobody waits longer than this to join because Valkey does not answer.
PATIENCE_S = 0.5
#: People in one command of a refresh. The commands are spread over the time until the next: all of a process at once
#: would hold its loop, and its messages, for a tenth of a second.
BATCH = 50
#: Say that somebody is here; KEYS: a trip each, ARGV: until when, for how long a trip is kept, then a field each.
ENTER = """
for n = 1, #KEYS do
  redis.call('HSET', KEYS[n], ARGV[n + 2], ARGV[1])
  redis.call('EXPIRE', KEYS[n], ARGV[2])
end
if #KEYS == 1 then return redis.call('HGETALL', KEYS[1]) end
"""
#: Say that somebody has gone, and hear who is still there.
LEAVE = "redis.call('HDEL', KEYS[1], ARGV[1]) return redis.call('HGETALL', KEYS[1])"


class Presence:
    """Counts people per trip over all processes. Every call may fail quietly: then only this process' people count."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._process = os.urandom(6).hex()

    async def enter(self, trip_id: UUID, user_id: UUID) -> set[UUID]:
        """Somebody has opened a socket here; who has one for this trip somewhere, empty when Valkey cannot say."""
        return _people(await self._enter([(trip_id, user_id)]))

    async def keep(self, present: Callable[[], Iterable[tuple[UUID, UUID]]]) -> None:
        """Say again who is here, (trip, user), before it is forgotten. Ends only by cancellation."""
        while True:
            people = list(present())
            batches = [people[start : start + BATCH] for start in range(0, len(people), BATCH)]
            for batch in batches:
                await asyncio.sleep(REFRESH_S / len(batches))
                await self._enter(batch)
            if not batches:
                await asyncio.sleep(REFRESH_S)

    async def _enter(self, people: list[tuple[UUID, UUID]]) -> list[bytes]:
        keys = [_key(trip_id) for trip_id, _ in people]
        fields = [f"{user_id}|{self._process}" for _, user_id in people]
        return await self._run(ENTER, keys, int(time.time()) + LIFE_S, LIFE_S, *fields)

    async def leave(self, trip_id: UUID, user_id: UUID) -> bool:
        """Their last socket here has closed; True when no other process has one either."""
        return user_id not in _people(await self._run(LEAVE, [_key(trip_id)], f"{user_id}|{self._process}"))

    async def _run(self, script: str, keys: list[str], *arguments: Any) -> list[bytes]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._redis.eval(script, len(keys), *keys, *arguments) or []
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)
            return []


def _key(trip_id: UUID) -> str:
    return f"tw:online:{trip_id.hex}"


def _people(found: list[bytes]) -> set[UUID]:
    """Who has not lapsed, of a hash as Valkey gives it to a script: fields and values in turn."""
    now = time.time()
    fields, until = found[::2], found[1::2]
    return {UUID(field.decode()[:36]) for field, at in zip(fields, until, strict=True) if int(at) > now}
