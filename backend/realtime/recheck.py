"""Compares every local trip with its row: pub/sub loses what is rung while nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog

from backend.realtime.events import AUDIENCES, Audience
from backend.realtime.gaps import Gaps
from backend.realtime.lane import Lane

log = structlog.get_logger()

#: Trips in one query.
CHUNK = 2_000
_NUMBERS = "SELECT trip_id, seq_driver, seq_customer FROM trip_chat WHERE trip_id = ANY($1::uuid[])"
_EPOCH = "SELECT epoch FROM installation"

Lanes = dict[UUID, dict[Audience, Lane]]


class Recheck:
    """Finds lanes that are behind their rows, and rows that are behind their lanes."""

    def __init__(self, pool: Callable[[], Any], lanes: Lanes, gaps: Gaps) -> None:
        self._pool, self._lanes, self._gaps = pool, lanes, gaps
        self._epoch: Any = None
        #: Lanes found behind, and seconds that the last look took.
        self.behind = 0

    async def look(self) -> None:
        """Compare all local trips, some thousands a query. Raises what the database's driver raises."""
        await self._look_at_epoch()
        trips = list(self._lanes)
        for start in range(0, len(trips), CHUNK):
            chunk = trips[start : start + CHUNK]
            before = {
                (trip_id, audience): lane.last
                for trip_id in chunk
                for audience, lane in self._lanes.get(trip_id, {}).items()
            }
            for row in await self._pool().fetch(_NUMBERS, chunk):
                for audience, number in zip(AUDIENCES, (row["seq_driver"], row["seq_customer"]), strict=True):
                    self._compare(row["trip_id"], audience, number, before)

    def _compare(self, trip_id: UUID, audience: Audience, number: int, before: dict[Any, int]) -> None:
        lane = self._lanes.get(trip_id, {}).get(audience)
        if lane is None:
            return
        if lane.last < number:
            self.behind += 1
            self._gaps.ask(trip_id, audience, 0.0)
        elif number < before.get((trip_id, audience), 0):
            # Delivered before we asked, and not in the row: the database was put back to an earlier state.
            log.warning("hub.numbers_went_back")
            lane.break_off(number)

    async def _look_at_epoch(self) -> None:
        """A new epoch under open sockets: their numbers mean something else now, so they resume (and are reset)."""
        epoch = await self._pool().fetchval(_EPOCH)
        known, self._epoch = self._epoch, epoch
        if known is not None and known != epoch:
            log.warning("hub.epoch_changed")
            for lanes in list(self._lanes.values()):
                for lane in lanes.values():
                    lane.break_off(lane.last)
