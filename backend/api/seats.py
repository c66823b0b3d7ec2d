"""How many sockets somebody has in the other processes. Softly: nobody with one socket in a process costs a call.

All processes together take at most `sockets_per_user` plus one for each process of a user; while Valkey is away, each
process so many by itself. What is counted is said again before it lapses, also to a Valkey that has forgotten it.
"""

from __future__ import annotations

import asyncio
import os
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.errors import ProblemError

log = structlog.get_logger()

#: So many sockets of a user in one process are nobody else's business.
UNSAID = 1
#: A process that dies without a word is counted for this long; one that lives says its numbers again this often.
LIFE_S, REFRESH_S = 90, 30.0
#: Nobody waits longer than this to join because Valkey does not answer; and then nobody asks it for so long.
PATIENCE_S, REST_S = 0.5, 5.0
#: Users in one round trip of a refresh.
BATCH = 200

#: With Valkey's own time: clocks of hosts differ. Says our number and sums up the others' that have not lapsed.
SCRIPT = """
local now = tonumber(redis.call('TIME')[1])
local others = 0
local found = redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  local count, lapses = string.match(found[i + 1], '^(%d+) (%d+)$')
  if not lapses or tonumber(lapses) <= now then
    redis.call('HDEL', KEYS[1], found[i])
  elseif found[i] ~= ARGV[1] then
    others = others + tonumber(count)
  end
end
if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. (now + tonumber(ARGV[3])))
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return others
"""


class Seats:
    """The count of each user's sockets over all processes. Belongs to one loop."""

    def __init__(self, redis: Redis, most: int) -> None:
        self._redis, self._most = redis, most
        self._script = redis.register_script(SCRIPT)
        self._process = os.urandom(6).hex()
        self._said: dict[UUID, int] = {}
        self._rest_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._refresh: asyncio.Task[None] | None = None
        self._closed = False

    async def enter(self, user_id: UUID, here: int) -> None:
        """A user has now `here` sockets in this process. Raises `too_many_sockets` where it is one too many.

        It counts all the same until `leave` is called.
        """
        if here <= UNSAID:
            return
        others = await self._say(user_id, here)
        if here + others > self._most:
            raise ProblemError("too_many_sockets")

    async def leave(self, user_id: UUID, here: int) -> None:
        """A user has `here` sockets left in this process."""
        if user_id in self._said:
            await self._say(user_id, here if here > UNSAID else 0)

    async def _say(self, user_id: UUID, here: int) -> int:
        """Sockets of the user in the other processes; 0 when Valkey cannot say."""
        if here:
            self._said[user_id] = here
        else:
            self._said.pop(user_id, None)
        self._arm()
        if asyncio.get_running_loop().time() < self._rest_until:
            return 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                return int(await self._script(keys=[_key(user_id)], args=[self._process, here, LIFE_S]))
        except (RedisError, OSError) as error:
            self._note_missed(error)
            return 0

    def _note_missed(self, error: Exception) -> None:
        self._rest_until = asyncio.get_running_loop().time() + REST_S
        log.info("seats.unknown", error=type(error).__name__)

    def _arm(self) -> None:
        if self._timer is None and self._said and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(REFRESH_S, self._begin)

    def _begin(self) -> None:
        self._refresh = asyncio.get_running_loop().create_task(self.refresh(), name="seats-refresh")

    async def refresh(self) -> None:
        """Say all numbers again, before they are forgotten."""
        self._timer = None
        people = list(self._said.items())
        try:
            for start in range(0, len(people), BATCH):
                pipe = self._redis.pipeline(transaction=False)
                for user_id, here in people[start : start + BATCH]:
                    await self._script(keys=[_key(user_id)], args=[self._process, here, LIFE_S], client=pipe)
                async with asyncio.timeout(PATIENCE_S):
                    await pipe.execute()
        except (RedisError, OSError) as error:
            self._note_missed(error)
        self._arm()

    async def close(self) -> None:
        """Say nothing any more; the numbers lapse by themselves."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.gather(self._refresh, return_exceptions=True)


def _key(user_id: UUID) -> str:
    return f"tw:seats:{user_id.hex}"
