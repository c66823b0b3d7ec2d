"""Short memory of trips. The send decides in the database; this only spares a look-up a message."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any
from uuid import UUID

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.trips.access import TripView, access_view, check_participant, is_participant

#: For a send, which decides in the database once more.
FRESH_S = 30.0
#: For a read, where nothing asks again: a swapped driver reads for at most this long, also when the bell is lost.
READ_FRESH_S = 1.0
REMEMBERED = 20_000


class TripViews:
    """The trips that a process has to do with, at most `FRESH_S` old, forgotten at once when the bell says so."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[float, TripView]] = OrderedDict()
        self._of_user: dict[UUID, set[UUID]] = {}
        self._reading: dict[UUID, object] = {}

    def forget(self, trip_id: UUID | None = None) -> None:
        """Drop a trip, or all; also what is just being read, because it may be from before the change."""
        if trip_id is None:
            self._known.clear()
            self._of_user.clear()
            self._reading.clear()
        else:
            self._drop(trip_id)
            self._reading.pop(trip_id, None)

    def forget_user(self, user_id: UUID) -> None:
        """Drop the trips of somebody whose name or language has changed."""
        for trip_id in list(self._of_user.get(user_id, ())):
            self.forget(trip_id)

    async def access_view(self, pool: Any, trip_id: UUID, *, fresh_s: float = FRESH_S) -> TripView:
        """The trip. Raises `trip_not_found`."""
        known = self._known.get(trip_id)
        if known is not None and time.monotonic() - known[0] < fresh_s:
            return known[1]
        reading = self._reading[trip_id] = object()
        read_at = time.monotonic()
        try:
            view = await access_view(pool, trip_id)
        finally:
            still_good = self._reading.get(trip_id) is reading
            if still_good:
                del self._reading[trip_id]
        if still_good:
            self._keep(trip_id, view, read_at)
        return view

    def _keep(self, trip_id: UUID, view: TripView, read_at: float) -> None:
        self._drop(trip_id)
        self._known[trip_id] = (read_at, view)
        for user_id in (view.driver_id, view.customer_id):
            self._of_user.setdefault(user_id, set()).add(trip_id)
        if len(self._known) > REMEMBERED:
            self._drop(next(iter(self._known)))

    def _drop(self, trip_id: UUID) -> None:
        known = self._known.pop(trip_id, None)
        if known is None:
            return
        for user_id in (known[1].driver_id, known[1].customer_id):
            trips = self._of_user.get(user_id)
            if trips is not None:
                trips.discard(trip_id)
                if not trips:
                    del self._of_user[user_id]

    def access_kept(self, caller: Caller, trip_id: UUID, *, fresh_s: float = FRESH_S) -> TripView | None:
        """`access_own` from memory alone: None when the trip has to be read first, or would be refused."""
        known = self._known.get(trip_id)
        if known is None or time.monotonic() - known[0] >= fresh_s or not is_participant(known[1], caller):
            return None
        return known[1]

    async def access_own(self, pool: Any, caller: Caller, trip_id: UUID, *, fresh_s: float = READ_FRESH_S) -> TripView:
        """The trip, if the caller takes part in it. Raises `trip_not_found`, the same for foreign and unknown ones."""
        view = await self.access_view(pool, trip_id, fresh_s=fresh_s)
        try:
            check_participant(view, caller)
        except ProblemError:
            # Perhaps the driver was swapped a moment ago and the bell was lost: look once more before refusing.
            view = await self.access_view(pool, trip_id, fresh_s=0.0)
            check_participant(view, caller)
        return view
