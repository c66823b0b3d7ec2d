"""Both ends of one conversation: what was offered on one side and when it arrived on the other."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from backend.city.figures import Figures


@dataclass
class _Offered:
    lang: str
    at: float
    withheld: bool = False
    arrived: bool = False


class Ledger:
    """Matches sends with arrivals by the sender's `clientMessageId`, or by the message's id once it is acknowledged.

    An arrival may be noticed before its acknowledgement: the two travel over different sockets.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._offered: dict[str, _Offered] = {}
        self._named: dict[str, str] = {}
        self._early: dict[str, float] = {}
        self._moved = asyncio.Event()

    def offer(self, client_message_id: str, lang: str) -> None:
        """A message is tried for the first time."""
        self._offered[client_message_id] = _Offered(lang, time.monotonic())
        self._figures.count(lang, "sent")

    def acknowledge(self, client_message_id: str, message_id: str, status: str) -> None:
        """The server said what became of it."""
        offered = self._offered.get(client_message_id)
        if offered is None:
            return
        self._figures.count(offered.lang, "acked")
        if status == "quarantined":
            offered.withheld = True
            self._figures.count(offered.lang, "withheld")
        elif status == "masked":
            self._figures.count(offered.lang, "masked")
        self._named[message_id] = client_message_id
        early = self._early.pop(message_id, None)
        if early is not None:
            self._arrived(client_message_id, early)

    def reject(self, client_message_id: str) -> None:
        """The server refused it for what it says."""
        if offered := self._offered.get(client_message_id):
            self._figures.count(offered.lang, "rejected")

    def arrive(self, message_id: str, client_message_id: str | None) -> None:
        """The peer's socket got it."""
        known = client_message_id or self._named.get(message_id)
        if known is None:
            self._early[message_id] = time.monotonic()
        else:
            self._arrived(known, time.monotonic())

    async def all_arrived(self) -> None:
        """Wait until the peer has everything that was acknowledged as going through."""
        while any(not o.arrived and not o.withheld for o in map(self._offered.__getitem__, self._named.values())):
            self._moved.clear()
            await self._moved.wait()

    def _arrived(self, client_message_id: str, at: float) -> None:
        offered = self._offered.get(client_message_id)
        if offered is None or offered.arrived:
            return
        offered.arrived = True
        self._moved.set()
        self._figures.count(offered.lang, "delivered")
        if offered.withheld:
            self._figures.released += 1  # a person let it through: its time says nothing of the way
        else:
            self._figures.took(at - offered.at)
