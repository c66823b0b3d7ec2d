"""Receipts after bells were lost: nothing numbers them, so what was marked in the meantime is read again.

What a lane has told already is not told twice, so the window may be generous.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

import structlog

from backend.realtime.events import Whisper

log = structlog.get_logger()

#: Processes that come back together say so together: one look answers them all.
GATHER_S = 0.3
#: Added to every window: the time between a mark's own time and its bell, and the clocks of two hosts.
MARGIN_S = 10.0

#: Reads the newest receipts of trips among those of the last so many seconds, as they are told to each audience.
ReadMarks = Callable[[Sequence[UUID], float], Awaitable[Iterable[Whisper]]]


class LostMarks:
    """Looks, soon, at the receipts of the last seconds."""

    def __init__(self, chunks: Callable[[], Iterable[list[UUID]]], tell: Callable[[Whisper], None]) -> None:
        self._chunks, self._tell = chunks, tell
        self._read: ReadMarks | None = None
        self._window_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self, read: ReadMarks | None) -> None:
        """From now on receipts are read with `read`; without it nothing is looked for."""
        self._read = read

    def stop(self) -> None:
        """End a look."""
        self._read = None
        if self._task is not None:
            self._task.cancel()

    def look_back(self, seconds: float) -> None:
        """Bells of the last `seconds` may be lost."""
        self._window_s = max(self._window_s, seconds + MARGIN_S)
        if self._read is not None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._look(), name="lost-marks")

    async def of(self, trips: Sequence[UUID], seconds: float) -> None:
        """Tell the receipts of these trips. Raises what the database's driver raises."""
        if self._read is not None:
            for whisper in await self._read(trips, seconds):
                self._tell(whisper)

    async def _look(self) -> None:
        while self._window_s:
            await asyncio.sleep(GATHER_S)
            window_s, self._window_s = self._window_s, 0.0
            try:
                for chunk in self._chunks():
                    await self.of(chunk, window_s)
            except Exception as error:  # noqa: BLE001  (a database that is away; receipts are rows and stay right)
                log.warning("hub.marks_not_read", error=type(error).__name__)
