"""Token buckets: refuse cheaply, before any costly work, and say when to come back; one bucket over all processes."""

from backend.pipeline.limits.buckets import TokenBuckets
from backend.pipeline.limits.limits import Limits
from backend.pipeline.limits.shared import SharedLimits

__all__ = ["Limits", "SharedLimits", "TokenBuckets"]
