"""Buckets in the memory of one process. A decision is arithmetic: nothing is asked, nothing is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from backend.errors import ProblemError

#: Keys that one set of buckets remembers.
REMEMBERED = 50_000
#: A process says nothing of what it let through until that was this share of a burst,
QUIET_SHARE = 1 / 3
#: and forgets it unsaid after this many times the seconds in which an empty bucket fills.
FORGET_FILLS = 10.0
#: Keys that are looked at to find one whose memory is worth nothing, before one that is worth something goes.
LOOKED_AT = 8
#: How soon the others should hear of a key.
LATER, SOON = 1, 2


class Bucket:
    """What is left of one key: `tokens` as of `at`; `unsaid` were taken since `since` and no other process knows.

    `pressed`: 0, or `LATER` or `SOON` when it waits to be spoken of.
    """

    __slots__ = ("at", "pressed", "since", "tokens", "unsaid")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens, self.at, self.unsaid, self.since, self.pressed = tokens, at, 0.0, at, 0


class TokenBuckets:
    """One bucket a key: `rate` tokens a second, at most `burst` at once. Memory is bounded; idle ones go first.

    `press(key, bucket, LATER | SOON)` is told of a key whose use the other processes should hear of; without it the
    buckets are this process's own. `now` is a clock in seconds that only goes forward.
    """

    __slots__ = ("_buckets", "_forget_s", "_low", "_now", "_press", "_quiet", "_remembered", "burst", "rate", "refused")

    def __init__(
        self,
        rate: float,
        burst: float,
        press: Callable[[Hashable, Bucket, int], None] | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        remembered: int = REMEMBERED,
    ) -> None:
        self.rate, self.burst = rate, burst
        self._press, self._now, self._remembered = press, now, remembered
        self._quiet, self._low = burst * QUIET_SHARE, burst * (1 - QUIET_SHARE)
        self._forget_s = FORGET_FILLS * burst / rate
        self._buckets: dict[Hashable, Bucket] = {}
        #: How often `take` said no.
        self.refused = 0

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, cost: float = 1.0) -> None:
        """Take `cost` tokens. Raises `rate_limited` with `retry_after_s`."""
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._remember(key, now)
        tokens = bucket.tokens + (now - bucket.at) * self.rate
        if tokens > self.burst:
            tokens = self.burst
        bucket.at = now
        if tokens < cost:
            bucket.tokens = tokens
            self.refused += 1
            raise ProblemError("rate_limited", retry_after_s=(cost - tokens) / self.rate)
        bucket.tokens = tokens = tokens - cost
        if self._press is None:
            return
        if now - bucket.since > self._forget_s or not bucket.unsaid:
            bucket.unsaid, bucket.since = 0.0, now
        bucket.unsaid += cost
        if tokens < self._low or bucket.unsaid >= self._low:
            if bucket.pressed != SOON:
                self._press(key, bucket, SOON)
        elif bucket.unsaid >= self._quiet and not bucket.pressed:
            self._press(key, bucket, LATER)

    def settle(self, bucket: Bucket, level: float, asked_at: float) -> None:
        """Take over `level`, what all processes together had left after `asked_at`.

        Only downwards: an answer that forgets (an emptied Valkey) gives nobody anything back.
        """
        now = self._now()
        own = bucket.tokens + (now - bucket.at) * self.rate
        # Filled for the whole way there and back: with one process this is never less than what it has itself.
        theirs = level + (now - asked_at) * self.rate - bucket.unsaid
        bucket.tokens, bucket.at = min(self.burst, own, theirs), now

    def now(self) -> float:
        """This clock."""
        return self._now()

    def _remember(self, key: Hashable, now: float) -> Bucket:
        if len(self._buckets) >= self._remembered:
            self._drop_one(now)
        bucket = self._buckets[key] = Bucket(self.burst, now)
        return bucket

    def _drop_one(self, now: float) -> None:
        """The oldest that is full again; else the oldest: whoever fills the memory must not empty their own bucket."""
        for _ in range(LOOKED_AT):
            key = next(iter(self._buckets))
            bucket = self._buckets.pop(key)
            if bucket.tokens + (now - bucket.at) * self.rate >= self.burst:
                return
            self._buckets[key] = bucket
        del self._buckets[next(iter(self._buckets))]
