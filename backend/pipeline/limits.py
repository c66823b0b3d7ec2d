"""Token buckets: refuse cheaply, before any costly work, and say when to come back."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable

from backend.errors import ProblemError

REMEMBERED = 50_000


class TokenBuckets:
    """One bucket a key: `rate` tokens a second, at most `burst` at once. Memory is bounded; the longest idle goes."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, cost: float = 1.0) -> None:
        """Take `cost` tokens. Raises `rate_limited` with `retry_after_s`."""
        now = time.monotonic()
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens < cost:
            self._buckets[key] = (tokens, now)
            raise ProblemError("rate_limited", retry_after_s=(cost - tokens) / self._rate)
        self._buckets[key] = (tokens - cost, now)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
