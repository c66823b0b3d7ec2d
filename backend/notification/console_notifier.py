"""The twin without a provider: says on the log, masked, what would have been sent."""

from __future__ import annotations

import structlog

from backend.notification.interface import Order, Sent, masked


class ConsoleNotifier:
    """`Notifier` for a machine without a telephone. It pages nobody, and every line of it says so."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("notification")

    async def send_sms(self, order: Order) -> Sent:
        return self._say("sms", order)

    async def place_call(self, order: Order) -> Sent:
        return self._say("call", order)

    async def hang_up(self, sid: str) -> None:
        self._log.info("not_hung_up", sid=sid)

    async def find_by_attempt(self, channel: str, order: Order, within_s: float, known: frozenset[str]) -> Sent | None:
        return None

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, channel: str, order: Order) -> Sent:
        self._log.warning("page_to_nobody", channel=channel, to=masked(order.to), attempt_id=str(order.attempt_id))
        return Sent(f"console-{order.attempt_id}", "queued")
