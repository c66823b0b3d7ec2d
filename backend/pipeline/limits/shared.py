"""The same bucket in every process: what is under pressure is told to Valkey and heard from it, in the background.

A decision never waits for this and never fails because of it. What the processes together let through in T seconds is
at most

    rate * T * (1 + N / 30)  +  N * (burst + rate * (SOON_S + answer))

with N processes and `answer` the seconds that Valkey takes; README, "Limits", says where each part comes from. While
Valkey is away each process limits alone, and what they let through then is not held against anybody afterwards.

**Time.** The level is kept with Valkey's own time, read inside of the script, so that the clocks of hosts do not
matter; processes contribute only spans of their monotonic clocks. Should Valkey's clock jump (another host takes
over), a bucket there is full once, early; the processes still know what they have let through themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.pipeline.limits.buckets import SOON, Bucket, TokenBuckets

log = structlog.get_logger()

#: Whoever is near their limit is told of so soon; who has much left, but took much over time, with the next round.
SOON_S = 0.15
LATER_S = 1.0
#: Valkey has so long to answer; then it is left alone for so long.
PATIENCE_S = 0.5
REST_S = (1.0, 5.0)
#: Keys in one call of the script: about 2 us each in Valkey, and nothing else runs there meanwhile.
BATCH = 256
#: Batches of one round; more wait for the next.
BATCHES = 16

#: For each key: rate, burst, what was spent, and the seconds over which it was. Refilled before it is capped, and
#: spent in between: what was spent before now must not be taken from a bucket that has been full since.
SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local levels = {}
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local spent, over = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local level, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  if level and tonumber(at) <= now then
    level = tonumber(level) + (now - tonumber(at)) / 1000 * rate
  else
    level = burst + over * rate
  end
  level = math.min(burst, level - spent)
  local full_in = math.ceil((burst - level) / rate * 1000) + 1000
  redis.call('SET', key, string.format('%.4f %.0f', level, now), 'PX', string.format('%.0f', full_in))
  levels[i] = string.format('%.4f', level)
end
return levels
"""


class Pressed(NamedTuple):
    """A bucket to speak of: its key in Valkey, and the set that it belongs to."""

    name: str
    buckets: TokenBuckets
    bucket: Bucket


class SharedLimits:
    """Reconciles the buckets of this process with those of the others. Costs nothing while nobody presses.

    Belongs to the loop that it is first pressed in. `close` ends what is under way.
    """

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(SCRIPT)
        self._pressed: list[Pressed] = []
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None
        self._rest_s, self._rest_until = 0.0, 0.0
        self._closed = False
        #: Rounds that were answered, and those that were not.
        self.answered = self.missed = 0

    def buckets(self, name: str, rate: float, burst: float, **more: Any) -> TokenBuckets:
        """A set of buckets that all processes share by `name`. `more` as for `TokenBuckets`."""

        def press(key: Hashable, bucket: Bucket, how_soon: int) -> None:
            if self._is_alone():
                bucket.unsaid = 0.0
                return
            if not bucket.pressed:
                # One hash tag: a cluster runs the script on one node.
                self._pressed.append(Pressed(f"{{tw:limit}}:{name}:{key}", made, bucket))
            bucket.pressed = how_soon
            self._wake(SOON_S if how_soon == SOON else LATER_S)

        made = TokenBuckets(rate, burst, press, **more)
        return made

    def _is_alone(self) -> bool:
        return self._closed or (self._rest_s > 0 and asyncio.get_running_loop().time() < self._rest_until)

    def _wake(self, within_s: float) -> None:
        """See to it that a round begins in time; there is one at a time."""
        if self._round is not None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + within_s
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._round = asyncio.get_running_loop().create_task(self.reconcile(), name="limits-reconcile")
        self._round.add_done_callback(self._end)

    def _end(self, done: asyncio.Task[None]) -> None:
        self._round = None
        if not done.cancelled() and done.exception() is not None:
            log.error("limits.round_failed", error=type(done.exception()).__name__)
        if self._pressed and not self._closed:
            self._wake(SOON_S)

    async def reconcile(self) -> None:
        """Say what was taken and hear what is left, for every key under pressure. Never raises for Valkey's sake."""
        for _ in range(BATCHES):
            pressed, self._pressed = self._pressed[:BATCH], self._pressed[BATCH:]
            if not pressed:
                return
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._exchange(pressed)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_missed(error)
                return
            self.answered += 1
            self._rest_s = 0.0

    async def _exchange(self, pressed: list[Pressed]) -> None:
        asked_at, values = [one.buckets.now() for one in pressed], list[Any]()
        for one, now in zip(pressed, asked_at, strict=True):
            bucket = one.bucket
            values += (one.buckets.rate, one.buckets.burst, bucket.unsaid, max(0.0, now - bucket.since))
            # At most once: a call without an answer may have counted, and nobody pays twice.
            bucket.unsaid, bucket.pressed = 0.0, 0
        levels = await self._script(keys=[one.name for one in pressed], args=values)
        for one, level, at in zip(pressed, levels, asked_at, strict=True):
            one.buckets.settle(one.bucket, float(level), at)

    def _note_missed(self, error: Exception) -> None:
        """Each process limits alone until Valkey is back; nothing that was taken meanwhile is kept."""
        self.missed += 1
        for one in self._pressed:
            one.bucket.unsaid, one.bucket.pressed = 0.0, 0
        self._pressed.clear()
        if not self._rest_s:
            log.warning("limits.alone", error=type(error).__name__)
        self._rest_s = min(max(self._rest_s * 2, REST_S[0]), REST_S[1])
        self._rest_until = asyncio.get_running_loop().time() + self._rest_s

    async def close(self) -> None:
        """Stop; what is unsaid stays unsaid."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)
