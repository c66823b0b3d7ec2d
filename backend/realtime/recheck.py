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

#: Trips in one query; between two of them the loop does other things.
CHUNK = 1_000
#: Before a whole installation is reset, the row is read a second time.
SURE_AFTER_S = 0.2
#: PostgreSQL compares: of thousands of trips only those come back that differ. NULL: nobody of that side is here.
_DIFFERENT = """
SELECT c.trip_id, c.seq_driver, c.seq_customer
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS here(trip_id, driver, customer)
JOIN trip_chat c ON c.trip_id = here.trip_id
WHERE c.seq_driver <> here.driver OR c.seq_customer <> here.customer
"""
_EPOCH = "SELECT epoch FROM installation"
#: Only from the epoch that was read: of many processes that see it at once, one changes it.
_NEW_EPOCH = "UPDATE installation SET epoch = gen_random_uuid() WHERE epoch = $1"

Lanes = dict[UUID, dict[Audience, Lane]]
Key = tuple[UUID, Audience]
#: By trip: the last number delivered to the driver's and to the customer's sockets here, None where there are none.
Delivered = dict[UUID, tuple[int | None, int | None]]


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
            numbers = await self._different(delivered)
            behind += [trip_id for trip_id, audience in numbers if self._catch_up(trip_id, audience, numbers)]
            if _lower(numbers, delivered):
                await self._be_sure(delivered)
        return behind

    def chunks(self) -> Iterable[list[UUID]]:
        """The local trips, as many at once as one query takes."""
        trips = list(self._lanes)
        return (trips[start : start + CHUNK] for start in range(0, len(trips), CHUNK))

    def _delivered(self, trips: list[UUID]) -> Delivered:
        delivered: Delivered = {}
        for trip_id in trips:
            lanes = self._lanes.get(trip_id)
            if lanes is not None:
                for lane in lanes.values():
                    lane.repeat_marks()
                driver, customer = lanes.get("driver"), lanes.get("customer")
                delivered[trip_id] = (driver and driver.last, customer and customer.last)
        return delivered

    async def _different(self, delivered: Delivered) -> dict[Key, int]:
        """The numbers in the rows of those trips where they are others."""
        drivers, customers = [both[0] for both in delivered.values()], [both[1] for both in delivered.values()]
        rows = await self._pool().fetch(_DIFFERENT, list(delivered), drivers, customers)
        return {
            (trip_id, side): number for trip_id, *both in rows for side, number in zip(AUDIENCES, both, strict=True)
        }

    def _catch_up(self, trip_id: UUID, audience: Audience, numbers: dict[Key, int]) -> bool:
        lane = self._lanes.get(trip_id, {}).get(audience)
        if lane is None or lane.last >= numbers[(trip_id, audience)]:
            return False
        self.behind += 1
        lane.expect(numbers[(trip_id, audience)])
        self._gaps.ask(trip_id, audience, 0.0)
        return True

    async def _be_sure(self, delivered: Delivered) -> None:
        await asyncio.sleep(SURE_AFTER_S)
        numbers = await self._different(delivered)
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


def _lower(numbers: dict[Key, int], delivered: Delivered) -> list[Key]:
    """Whose rows, read afterwards, have less than was delivered before."""
    found: list[Key] = []
    for trip_id, audience in numbers:
        before = delivered[trip_id][AUDIENCES.index(audience)]
        if before is not None and numbers[(trip_id, audience)] < before:
            found.append((trip_id, audience))
    return found
