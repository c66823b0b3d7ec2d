"""Who is online. Kept in Valkey with an expiry, because it is only a courtesy and never the truth of anything."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
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
#: People in one round trip of a refresh.
BATCH = 500


class Presence:
    """Counts people per trip over all processes. Every call may fail quietly."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._process = os.urandom(6).hex()

    async def enter(self, trip_id: UUID, user_id: UUID) -> None:
        """Somebody has opened a socket here."""
        await self._enter([(trip_id, user_id)])

    async def keep(self, present: Callable[[], Iterable[tuple[UUID, UUID]]]) -> None:
        """Say again who is here, (trip, user), before it is forgotten. Ends only by cancellation."""
        while True:
            await asyncio.sleep(REFRESH_S)
            people = list(present())
            for start in range(0, len(people), BATCH):
                await self._enter(people[start : start + BATCH])

    async def _enter(self, people: list[tuple[UUID, UUID]]) -> None:
        until = str(int(time.time()) + LIFE_S)
        try:
            pipe = self._redis.pipeline(transaction=False)
            for trip_id, user_id in people:
                key = f"tw:online:{trip_id.hex}"
                pipe.hset(key, f"{user_id}|{self._process}", until)
                pipe.expire(key, LIFE_S)
            async with asyncio.timeout(PATIENCE_S):
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)

    async def leave(self, trip_id: UUID, user_id: UUID) -> bool:
        """Their last socket here has closed; True when no other process has one either."""
        key = f"tw:online:{trip_id.hex}"
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._redis.hdel(key, f"{user_id}|{self._process}")  # pyright: ignore[reportGeneralTypeIssues]
            return user_id not in await self.online(trip_id)
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)
            return True

    async def online(self, trip_id: UUID) -> set[UUID]:
        """Who has a socket for this trip somewhere; empty when Valkey cannot say."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                found: dict[bytes, bytes] = await self._redis.hgetall(f"tw:online:{trip_id.hex}")  # pyright: ignore
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)
            return set()
        now = time.time()
        return {UUID(field.decode().split("|")[0]) for field, until in found.items() if int(until) > now}
