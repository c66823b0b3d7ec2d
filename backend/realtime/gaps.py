"""Reads what lanes have missed from PostgreSQL, a few at a time however many miss something."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog

from backend.realtime.events import Audience, Numbered
from backend.realtime.lane import Lane

log = structlog.get_logger()

#: A later event may overtake an earlier one between commit and announcement; wait this long before asking PostgreSQL.
GAP_PATIENCE_S = 0.03
#: Gaps read at once by one process: after an outage thousands of trips have one, and senders need the database too.
FILLS_AT_ONCE = 4

#: Reads the events of a trip that an audience has not had: (trip, audience, after) -> numbered frames in order.
FillGap = Callable[[UUID, Audience, int], Awaitable[Sequence[Numbered]]]
Key = tuple[UUID, Audience]


class Gaps:
    """A queue of lanes that miss something, each at most once, and the few tasks that work it off."""

    def __init__(self, lane_of: Callable[[UUID, Audience], Lane | None]) -> None:
        self._lane_of = lane_of
        self._fill: FillGap | None = None
        self._known: set[Key] = set()
        self._queue: deque[tuple[Key, bool]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.filled = 0

    def start(self, fill: FillGap) -> None:
        """From now on gaps are read with `fill`."""
        self._fill = fill

    async def stop(self) -> None:
        """End what is being read."""
        self._fill = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ask(self, trip_id: UUID, audience: Audience, patience_s: float = GAP_PATIENCE_S) -> None:
        """Read what this lane misses. With patience: unless it has come by itself until then."""
        key = (trip_id, audience)
        if key in self._known:
            return
        self._known.add(key)
        if patience_s:
            asyncio.get_running_loop().call_later(patience_s, self._enqueue, key, True)
        else:
            self._enqueue(key, False)

    def _enqueue(self, key: Key, if_still_missing: bool) -> None:
        self._queue.append((key, if_still_missing))
        if len(self._tasks) < FILLS_AT_ONCE:
            task = asyncio.create_task(self._work(), name="gaps")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while self._queue:
            key, if_still_missing = self._queue.popleft()
            again = False
            try:
                again = await self._read(key, if_still_missing)
            except Exception as error:  # noqa: BLE001  (a database that is away: the re-check asks again)
                log.warning("hub.gap_not_filled", error=type(error).__name__)
            finally:
                self._known.discard(key)
            if again:
                self.ask(*key)

    async def _read(self, key: Key, if_still_missing: bool) -> bool:
        """Read one lane's gap; True when there is more to read."""
        lane = self._lane_of(*key)
        if lane is None or self._fill is None or (if_still_missing and not lane.has_gap):
            return False
        before, expected = lane.last, lane.expected
        lane.take_rows(await self._fill(*key, before))
        self.filled += 1
        # What was asked for meanwhile was dropped as being read: by this lane, or by one that has come in its place.
        now = self._lane_of(*key)
        return now is not None and now.has_gap and (now is not lane or now.last > before or now.expected > expected)
