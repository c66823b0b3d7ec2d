"""Which limits there are. An emergency knows none of them."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from backend.pipeline.limits.buckets import TokenBuckets
from backend.pipeline.limits.shared import SharedLimits
from backend.settings import LimitSettings


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Messages by user and by trip id, joins by user id, requests by address; `shared` keeps processes in step."""

    shared: SharedLimits
    messages: TokenBuckets
    trip_messages: TokenBuckets
    joins: TokenBuckets
    requests: TokenBuckets
    requests_loopback: TokenBuckets

    @classmethod
    def of(cls, limit: LimitSettings, redis: Redis) -> Limits:
        """The limits of the settings; nothing connects before somebody presses."""
        shared = SharedLimits(redis)
        return cls(
            shared=shared,
            messages=shared.buckets("user", limit.messages_per_s, limit.messages_burst),
            trip_messages=shared.buckets("trip", limit.trip_messages_per_s, limit.trip_messages_burst),
            joins=shared.buckets("join", limit.joins_per_s, limit.joins_burst),
            requests=shared.buckets("address", limit.requests_per_s, limit.requests_per_s * 2),
            # Loopback is a different machine to every host: there is nothing to share.
            requests_loopback=TokenBuckets(limit.requests_per_s_loopback, limit.requests_per_s_loopback * 2),
        )

    def refused(self) -> dict[str, int]:
        """How often each limit said no since this process started."""
        return {
            "messages": self.messages.refused,
            "trip_messages": self.trip_messages.refused,
            "joins": self.joins.refused,
            "requests": self.requests.refused + self.requests_loopback.refused,
        }
