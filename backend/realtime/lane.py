"""One audience of one trip in this process: puts numbered frames in order and hands them to its sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

#: Frames that may wait for an earlier one; beyond that the gap is read from PostgreSQL anyway.
WAITING = 256


class Subscriber(Protocol):
    """A socket, as the lane sees it."""

    cursor: int

    def offer(self, seq: int, frame: bytes) -> None:
        """Take the frame of event `seq`, in order; must not block. Sets `cursor`."""
        ...

    def whisper(self, frame: bytes) -> None:
        """Take a frame that may be lost."""
        ...


class Lane:
    """Next -> deliver; lower -> drop; higher -> keep, and ask for the gap."""

    def __init__(self, last: int, on_gap: Callable[[], None]) -> None:
        self.last = last
        self.subscribers: set[Subscriber] = set()
        self._waiting: dict[int, bytes] = {}
        self._on_gap = on_gap

    @property
    def has_gap(self) -> bool:
        """Whether later events wait for an earlier one."""
        return bool(self._waiting)

    def take(self, seq: int, frame: bytes) -> None:
        """An event with number `seq` has arrived, from wherever."""
        if seq <= self.last:
            return
        if seq > self.last + 1:
            if len(self._waiting) < WAITING:
                self._waiting[seq] = frame
            self._on_gap()
            return
        self._deliver(seq, frame)
        while (next_frame := self._waiting.pop(self.last + 1, None)) is not None:
            self._deliver(self.last + 1, next_frame)
        if self._waiting:
            self._waiting = {number: kept for number, kept in self._waiting.items() if number > self.last}

    def _deliver(self, seq: int, frame: bytes) -> None:
        self.last = seq
        for subscriber in tuple(self.subscribers):
            if subscriber.cursor < seq:
                subscriber.offer(seq, frame)

    def whisper(self, frame: bytes) -> None:
        """Hand a frame that may be lost to everybody here."""
        for subscriber in tuple(self.subscribers):
            subscriber.whisper(frame)
