"""What the product wants of a telephone, and how an attempt may fail. Twilio and the console implement it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Failure(StrEnum):
    """What a failed send means for the next one."""

    REFUSED = "refused"  # clear: this number or text will never do; take another channel
    RETRY = "retry"  # clear: nothing was sent, the provider is busy, down or does not know us
    UNKNOWN = "unknown"  # the request may have taken effect: look before sending again


class SendError(Exception):
    """A send that did not end with a sid. `code` is the provider's, or the HTTP status, or None."""

    def __init__(self, failure: Failure, code: int | None, said: str, retry_after_s: float | None = None) -> None:
        self.failure, self.code, self.retry_after_s = failure, code, retry_after_s
        super().__init__(f"{failure}: {code} {said}")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One thing to send: a text (`body`) or a call (its words come from our voice webhook) to an E.164 number.

    `mark` is in every text of this order, however often it is worded again: the reply code.
    """

    attempt_id: UUID
    to: str
    body: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Sent:
    """The provider took it: its id for it and its first status."""

    sid: str
    status: str


class Notifier(Protocol):
    """A telephone. Every method may be called from any task; none retries by itself."""

    async def send_sms(self, order: Order) -> Sent:
        """Text `order.body`. Raises `SendError`."""
        ...

    async def place_call(self, order: Order) -> Sent:
        """Call and read the page out. Raises `SendError`."""
        ...

    async def hang_up(self, sid: str) -> None:
        """End a call that still rings or talks; one that is over is fine. Raises `SendError`."""
        ...

    async def find_by_attempt(self, channel: str, order: Order, within_s: float, known: frozenset[str]) -> Sent | None:
        """One look into the provider's list for what an earlier send of this order left there.

        `within_s`: how long ago that was at most; `known`: sids that belong to other attempts. Raises `SendError`
        when the list cannot be had.
        """
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...


def masked(number: str) -> str:
    """`+1500*****01`: enough to recognise a number, too little to call it."""
    return number[:5] + "*" * max(0, len(number) - 7) + number[-2:] if len(number) > 7 else "***"
