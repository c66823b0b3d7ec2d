"""Bells of the console: who waits for a topic is woken when anybody rings it. They carry nothing but its name."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence


def topic_of(name: str) -> int:
    """A staff topic among the topics of `Neighbours`."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16, person=b"tw staff").digest(), "big")


class StaffBells:
    """One bell a topic."""

    def __init__(self) -> None:
        self._bells: dict[str, asyncio.Event] = {}

    def ring(self, topic: str) -> None:
        """Wake whoever waits here."""
        bell = self._bells.get(topic)
        if bell is not None:
            bell.set()
            bell.clear()

    async def wait(self, topics: Sequence[str], timeout_s: float) -> bool:
        """Wait until one of `topics` rings, at most `timeout_s`; True when one did."""
        bells = [self._bells.setdefault(topic, asyncio.Event()) for topic in topics]
        waits = [asyncio.create_task(bell.wait()) for bell in bells]
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            for wait in waits:
                wait.cancel()
