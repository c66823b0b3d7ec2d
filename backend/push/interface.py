"""What the product wants of a push provider, and how a push may fail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Failure(StrEnum):
    """What a failed push means for the next one."""

    GONE = "gone"  # the app was removed from this device, or the token is none: forget the device
    REFUSED = "refused"  # this push will never do: somebody has to look at it
    RETRY = "retry"  # the provider is busy or down, or nobody knows whether it took it: try again later


class PushError(Exception):
    """A push that the provider did not take. `code` is the provider's word for it, or ours: never a token."""

    def __init__(self, failure: Failure, code: str, retry_after_s: float | None = None) -> None:
        self.failure, self.code, self.retry_after_s = failure, code, retry_after_s
        super().__init__(f"{failure}: {code}")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One push. It holds no word of the message: a locked phone shows it to whoever looks."""

    token: str
    #: (message, device): the app drops what it has seen under this key.
    key: str
    title: str
    trip_id: UUID
    message_id: UUID
    seq: int
    #: Seconds after which nobody wants it any more.
    ttl_s: int


class Pusher(Protocol):
    """A provider. Its methods may be called from any task of one loop; none retries by itself."""

    async def send(self, order: Order) -> str:
        """Hand a push over; the provider's name for it. Raises `PushError`."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
