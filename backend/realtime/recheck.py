"""Compares every local trip with its row: pub/sub loses what is rung while nobody listens.

Also the other way round: a row that is behind what was delivered from it means that the database was put back to an
earlier state under running processes. Then the numbers of all phones mean something else from now on: the installation
gets a new epoch, and every socket has to resume, which ends in a reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import structlog

from backend.realtime.events import AUDIENCES, Audience
from backend.realtime.gaps import Gaps
from backend.realtime.lane import Lane

log = structlog.get_logger()

#: Trips in one query.
CHUNK = 2_000
#: Before a whole installation is reset, the row is read a second time.
SURE_AFTER_S = 0.2
_NUMBERS = "SELECT trip_id, seq_driver, seq_customer FROM trip_chat WHERE trip_id = ANY($1::uuid[])"
_EPOCH = "SELECT epoch FROM installation"
#: Only from the epoch that was read: of many processes that see it at once, one changes it.
_NEW_EPOCH = "UPDATE installation SET epoch = gen_random_uuid() WHERE epoch = $1"

Lanes = dict[UUID, dict[Audience, Lane]]
Key = tuple[UUID, Audience]


class Recheck:
    """Finds lanes that are behind their rows, and rows that are behind their lanes."""

    def __init__(self, pool: Callable[[], Any], lanes: Lanes, gaps: Gaps) -> None:
        self._pool, self._lanes, self._gaps = pool, lanes, gaps
        self._epoch: Any = None
        #: How many lanes were found behind.
        self.behind = 0

    async def look(self) -> list[UUID]:
        """Compare all local trips; returns those that were behind. Raises what the database's driver raises."""
        await self._look_at_epoch()
        behind: list[UUID] = []
        for chunk in self.chunks():
            delivered = self._delivered(chunk)
            numbers = await self._numbers(chunk)
            behind += [trip_id for trip_id, audience in numbers if self._catch_up(trip_id, audience, numbers)]
            went_back = _lower(numbers, delivered)
            if went_back:
                await self._be_sure(went_back, delivered)
        return behind

    def chunks(self) -> Iterable[list[UUID]]:
        """The local trips, as many at once as one query takes."""
        trips = list(self._lanes)
        return (trips[start : start + CHUNK] for start in range(0, len(trips), CHUNK))

    def _delivered(self, trips: list[UUID]) -> dict[Key, int]:
        return {(trip, side): lane.last for trip in trips for side, lane in self._lanes.get(trip, {}).items()}

    async def _numbers(self, trips: list[UUID]) -> dict[Key, int]:
        numbers: dict[Key, int] = {}
        for trip_id, *both in await self._pool().fetch(_NUMBERS, trips):
            for audience, number in zip(AUDIENCES, both, strict=True):
                numbers[(trip_id, audience)] = number
        return numbers

    def _catch_up(self, trip_id: UUID, audience: Audience, numbers: dict[Key, int]) -> bool:
        lane = self._lanes.get(trip_id, {}).get(audience)
        if lane is None:
            return False
        lane.repeat_marks()
        if lane.last >= numbers[(trip_id, audience)]:
            return False
        self.behind += 1
        self._gaps.ask(trip_id, audience, 0.0)
        return True

    async def _be_sure(self, keys: list[Key], delivered: dict[Key, int]) -> None:
        await asyncio.sleep(SURE_AFTER_S)
        numbers = await self._numbers(list({trip_id for trip_id, _ in keys}))
        went_back = _lower(numbers, delivered)
        if not went_back:
            return
        log.error("hub.numbers_went_back", trips=len(went_back))
        await self._pool().execute(_NEW_EPOCH, self._epoch)
        for trip_id, audience in went_back:
            lane = self._lanes.get(trip_id, {}).get(audience)
            if lane is not None:
                lane.break_off(numbers[(trip_id, audience)])
        await self._look_at_epoch()

    async def _look_at_epoch(self) -> None:
        epoch = await self._pool().fetchval(_EPOCH)
        known, self._epoch = self._epoch, epoch
        if known is not None and known != epoch:
            log.warning("hub.epoch_changed")
            for lanes in list(self._lanes.values()):
                for lane in list(lanes.values()):
                    lane.break_off(lane.last)


def _lower(numbers: dict[Key, int], delivered: dict[Key, int]) -> list[Key]:
    """Whose rows, read afterwards, have less than was delivered before."""
    return [key for key, number in numbers.items() if number < delivered.get(key, 0)]
