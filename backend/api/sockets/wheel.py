"""One timer for all sockets of a process: each is looked at when its time has come, and rests in between."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

import structlog

log = structlog.get_logger()

#: How exact the wheel is. Whatever is due is found at most this much too late.
TICK_S = 0.25
#: Ticks once around: nothing can be put off for longer.
SLOTS = 64
#: A tick that comes later than this found the process frozen or starved.
LATE_S = 1.0


class Looked(Protocol):
    """Something that has to be looked at from time to time."""

    def look(self, now: float) -> float | None:
        """Do what is due; returns after how many seconds to look again, None for never."""
        ...

    def give_up(self) -> None:
        """The look failed: end, nobody will look again."""
        ...


class Wheel:
    """Buckets of what is due at one tick. It turns while there is something on it.

    `now` counts ticks, not the time of the machine: a process that was frozen for a minute gives every client the time
    that it did not listen, instead of dropping them all for their silence.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._slots: list[list[Looked]] = [[] for _ in range(SLOTS)]
        self._at = 0
        self._count = 0
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, looked: Looked, after_s: float) -> None:
        """Look at it in `after_s` seconds (at most once around the wheel)."""
        ticks = min(SLOTS - 1, max(1, math.ceil(after_s / TICK_S)))
        self._slots[(self._at + ticks) % SLOTS].append(looked)
        self._count += 1
        if self._timer is None:
            self._next = asyncio.get_running_loop().time()
            self._wind()

    def _wind(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._next = self._next + TICK_S if now - self._next < LATE_S else now + TICK_S
        self._timer = loop.call_at(self._next, self.turn)

    def turn(self) -> None:
        """One tick further; by its own timer, or by a test that does not want to wait."""
        self._stop()
        self.now += TICK_S
        self._at = (self._at + 1) % SLOTS
        due, self._slots[self._at] = self._slots[self._at], []
        self._count -= len(due)
        if self._count or due:
            self._wind()
        for looked in due:
            again_s = self._look(looked)
            if again_s is not None:
                self.add(looked, again_s)
        if not self._count:
            self._stop()

    def _look(self, looked: Looked) -> float | None:
        try:
            return looked.look(self.now)
        except Exception as error:
            # One that fails must not cost all others their heartbeat.
            log.error("wheel.look_failed", error=type(error).__name__, exc_info=error)
            looked.give_up()
            return None

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
