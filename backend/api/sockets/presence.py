"""Who is online. Kept in Valkey with an expiry, because it is only a courtesy and never the truth of anything."""

from __future__ import annotations

import os
import time
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

#: A process that dies without a word leaves its people online for this long.
LIFE_S = 90


class Presence:
    """Counts people per trip over all processes. Every call may fail quietly."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._process = os.urandom(6).hex()

    async def enter(self, trip_id: UUID, user_id: UUID) -> None:
        """Somebody has opened a socket here, or still has it."""
        key = f"tw:online:{trip_id.hex}"
        try:
            pipe = self._redis.pipeline(transaction=False)
            pipe.hset(key, f"{user_id}|{self._process}", str(int(time.time()) + LIFE_S))
            pipe.expire(key, LIFE_S)
            await pipe.execute()
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)

    async def leave(self, trip_id: UUID, user_id: UUID) -> bool:
        """Their last socket here has closed; True when no other process has one either."""
        key = f"tw:online:{trip_id.hex}"
        try:
            await self._redis.hdel(key, f"{user_id}|{self._process}")  # pyright: ignore[reportGeneralTypeIssues]
            return user_id not in await self.online(trip_id)
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)
            return True

    async def online(self, trip_id: UUID) -> set[UUID]:
        """Who has a socket for this trip somewhere; empty when Valkey cannot say."""
        try:
            found: dict[bytes, bytes] = await self._redis.hgetall(f"tw:online:{trip_id.hex}")  # pyright: ignore
        except (RedisError, OSError) as error:
            log.info("presence.unknown", error=type(error).__name__)
            return set()
        now = time.time()
        return {UUID(field.decode().split("|")[0]) for field, until in found.items() if int(until) > now}
