"""Troubles between us and Twilio or Firebase, on order: each spoils the next requests that it fits, then is used up."""

from __future__ import annotations

from typing import Literal

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trouble.

    `error`: Twilio's error `code` as JSON with `status`; `html`: a gateway's page with `status`; `hang`: takes the
    request and never answers; `reset`: resets the connection; `cut`: an answer that breaks off; `empty`: `201 {}`;
    `slow`: answers after `seconds` (real ones). With `after` the request takes effect all the same, only its answer
    is spoilt: the caller cannot know. Fits by resource, method and (for creations) by the number in `To`, of a push by
    its registration token; an `error` of a push is FCM's `word` for it.
    """

    kind: Literal["error", "html", "hang", "reset", "cut", "empty", "slow"]
    resource: Literal["messages", "calls", "push", "push_token", "any"] = "any"
    method: Literal["POST", "GET", "any"] = "POST"
    to: str = ""
    code: int = 0
    word: str = "UNAVAILABLE"
    status: int = 500
    retry_after_s: int | None = None
    seconds: float = 60.0
    after: bool = False
    times: int = 1


class FaultList:
    """The faults on order, first come first served."""

    def __init__(self) -> None:
        self._open: list[tuple[Fault, int]] = []

    def order(self, fault: Fault) -> None:
        self._open.append((fault, fault.times))

    def clear(self) -> None:
        self._open.clear()

    def open(self) -> list[Fault]:
        """What has not struck yet."""
        return [fault for fault, _ in self._open]

    def take(self, resource: str, method: str, to: str) -> Fault | None:
        """The fault that spoils this request, if any; it counts as used."""
        for index, (fault, left) in enumerate(self._open):
            if _fits(fault, resource, method, to):
                if left > 1:
                    self._open[index] = (fault, left - 1)
                else:
                    del self._open[index]
                return fault
        return None


def _fits(fault: Fault, resource: str, method: str, to: str) -> bool:
    return fault.resource in ("any", resource) and fault.method in ("any", method) and (not fault.to or fault.to == to)
