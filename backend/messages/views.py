"""Short memory of trips. The send decides in the database; this only spares a look-up a message."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any
from uuid import UUID

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.trips.access import TripView, access_view, check_participant

FRESH_S = 30.0
REMEMBERED = 20_000


class TripViews:
    """The trips that a process has to do with, at most `FRESH_S` old, forgotten at once when the bell says so."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[float, TripView]] = OrderedDict()

    def forget(self, trip_id: UUID | None = None) -> None:
        """Drop a trip, or all."""
        if trip_id is None:
            self._known.clear()
        else:
            self._known.pop(trip_id, None)

    async def access_view(self, pool: Any, trip_id: UUID, *, fresh_s: float = FRESH_S) -> TripView:
        """The trip. Raises `trip_not_found`."""
        known = self._known.get(trip_id)
        if known is not None and time.monotonic() - known[0] < fresh_s:
            return known[1]
        view = await access_view(pool, trip_id)
        self._known[trip_id] = (time.monotonic(), view)
        self._known.move_to_end(trip_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return view

    async def access_own(self, pool: Any, caller: Caller, trip_id: UUID) -> TripView:
        """The trip, if the caller takes part in it. Raises `trip_not_found`, the same for foreign and unknown ones."""
        view = await self.access_view(pool, trip_id)
        try:
            check_participant(view, caller)
        except ProblemError:
            # Perhaps the driver was swapped a moment ago and the bell was lost: look once more before refusing.
            view = await self.access_view(pool, trip_id, fresh_s=0.0)
            check_participant(view, caller)
        return view
