"""The sockets of this process: how many each user has, and which of them may no longer stay."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any
from uuid import UUID

import structlog

from backend.accounts.caller import Caller
from backend.api.seats import Seats
from backend.api.sockets.closing import Close
from backend.api.sockets.exchange import Exchange
from backend.api.sockets.outlet import Outlet
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.realtime import Audience, Control

log = structlog.get_logger()

#: Access is looked at again this often even when no bell rings: what is revoked ends within two seconds.
WATCH_S = 1.5
#: Of everybody who has a socket, those whose access may have ended; few, and each is then looked at closely.
_SIFT = """
SELECT s.place FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::text[])
  WITH ORDINALITY AS s (trip_id, user_id, drives, token_id, place)
LEFT JOIN trip_chat t ON t.trip_id = s.trip_id
LEFT JOIN app_user u ON u.id = s.user_id
LEFT JOIN revoked_token r ON r.token_id = s.token_id
WHERE t.trip_id IS NULL OR s.user_id IS DISTINCT FROM CASE WHEN s.drives THEN t.driver_id ELSE t.customer_id END
   OR r.token_id IS NOT NULL OR u.suspended_until > $5 OR u.tokens_valid_from IS NOT NULL
"""
_TRIPS = "SELECT trip_id, driver_id, customer_id FROM trip_chat WHERE trip_id = ANY($1::uuid[])"
_USERS = """
SELECT id, suspended_until, tokens_valid_from FROM app_user
WHERE id = ANY($1::uuid[]) AND (suspended_until > $2 OR tokens_valid_from IS NOT NULL)
"""
_REVOKED = "SELECT token_id FROM revoked_token WHERE token_id = ANY($1::text[])"


class Seat:
    """One open socket: whose it is, where it belongs, and the outlet to close it by."""

    __slots__ = ("caller", "outlet", "trip_id")

    def __init__(self, caller: Caller, trip_id: UUID, outlet: Outlet) -> None:
        self.caller, self.trip_id, self.outlet = caller, trip_id, outlet

    @property
    def audience(self) -> Audience:
        """The side that it belongs to."""
        return "driver" if self.caller.role == "driver" else "customer"


class SocketRegistry:
    """Knows every seat of the process. One `watch` task compares them with the rows."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.exchange = Exchange(services.settings.limit.frame_bytes)
        #: What the other processes have of each user.
        self.elsewhere = Seats(services.redis, services.settings.limit.sockets_per_user)
        #: Joins by how they caught up: `fresh`, `resumed`, `reset`.
        self.counts: Counter[str] = Counter()
        self._seats: set[Seat] = set()
        self._by_user: dict[UUID, set[Seat]] = {}
        self._by_trip: dict[UUID, set[Seat]] = {}
        self._suspects: set[Seat] = set()
        self._look_now = asyncio.Event()
        services.hub.on_control(self._on_control)

    def take(self, seat: Seat) -> None:
        """Seat a socket. Raises `too_many_sockets`."""
        if self.count(seat.caller.id) >= self._services.settings.limit.sockets_per_user:
            raise ProblemError("too_many_sockets")
        self._seats.add(seat)
        self._by_user.setdefault(seat.caller.id, set()).add(seat)
        self._by_trip.setdefault(seat.trip_id, set()).add(seat)

    def leave(self, seat: Seat) -> bool:
        """Free a seat; True when it was the user's last one in this trip here."""
        self._seats.discard(seat)
        self._suspects.discard(seat)
        for seats, key in ((self._by_user, seat.caller.id), (self._by_trip, seat.trip_id)):
            seats[key].discard(seat)
            if not seats[key]:
                del seats[key]
        return not self.is_here(seat.trip_id, seat.caller.id)

    def count(self, user_id: UUID) -> int:
        """Sockets of this user in this process."""
        return len(self._by_user.get(user_id, ()))

    def is_here(self, trip_id: UUID, user_id: UUID) -> bool:
        """Whether this user has a socket for this trip in this process."""
        return any(seat.caller.id == user_id for seat in self._by_trip.get(trip_id, ()))

    def present(self) -> set[tuple[UUID, UUID]]:
        """Who has a socket here, as (trip, user)."""
        return {(seat.trip_id, seat.caller.id) for seat in self._seats}

    def _on_control(self, control: Control) -> None:
        """Only whom it concerns: a platform that moves hundreds of trips a second rings as often in every process."""
        if control.kind == "trip_changed" and control.trip_id is not None:
            self._suspects |= self._by_trip.get(control.trip_id, set())
        elif control.kind in ("user_changed", "token_revoked") and control.user_id is not None:
            self._suspects |= self._by_user.get(control.user_id, set())
        elif control.kind in ("trip_changed", "user_changed", "token_revoked", "bells_missed"):
            self._suspects |= self._seats
        if self._suspects:
            self._look_now.set()

    async def watch(self) -> None:
        """Close what may no longer stay: at a bell those it concerns, every `WATCH_S` all. Ends by cancellation."""
        loop = asyncio.get_running_loop()
        everybody_at = loop.time() + WATCH_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(everybody_at):
                    await self._look_now.wait()
            self._look_now.clear()
            seats, self._suspects = self._suspects, set()
            try:
                if loop.time() >= everybody_at:
                    everybody_at = loop.time() + WATCH_S
                    seats |= await self._sift()
                await self._look(seats)
            except Exception as error:  # noqa: BLE001  (a database that is away must not end the watch)
                log.warning("sockets.watch_failed", error=type(error).__name__)

    async def _sift(self) -> set[Seat]:
        """Who of all seats is worth a look: one query that answers with next to nothing."""
        seats, now = list(self._seats), self._services.clock.now()
        if not seats:
            return set()
        columns = (
            [seat.trip_id for seat in seats],
            [seat.caller.id for seat in seats],
            [seat.caller.role == "driver" for seat in seats],
            [seat.caller.token_id for seat in seats],
        )
        pool: Any = self._services.pool
        found: set[Seat] = {seats[row["place"] - 1] for row in await pool.fetch(_SIFT, *columns, now)}
        return found.union(seat for seat in seats if seat.caller.expires_at < now)

    async def _look(self, seats: set[Seat]) -> None:
        if not seats:
            return
        pool: Any = self._services.pool
        now = self._services.clock.now()
        trips = {row["trip_id"]: row for row in await pool.fetch(_TRIPS, list({seat.trip_id for seat in seats}))}
        users = {row["id"]: row for row in await pool.fetch(_USERS, list({seat.caller.id for seat in seats}), now)}
        tokens = list({seat.caller.token_id for seat in seats})
        revoked = {row["token_id"] for row in await pool.fetch(_REVOKED, tokens)}
        for seat in seats:
            code = _verdict(seat, trips.get(seat.trip_id), users.get(seat.caller.id), revoked, now)
            if code is not None:
                seat.outlet.close(code)


def _verdict(seat: Seat, trip: Any, user: Any, revoked: set[str], now: Any) -> Close | None:
    """Why this socket has to go; None when it may stay. A mute or the trip's end closes nothing."""
    if trip is None or trip[f"{seat.caller.role}_id"] != seat.caller.id:
        return Close.NOT_YOURS
    if seat.caller.token_id in revoked or seat.caller.expires_at < now:
        return Close.NOT_AUTHENTICATED
    if user is not None:
        if user["tokens_valid_from"] is not None and seat.caller.issued_at < user["tokens_valid_from"]:
            return Close.NOT_AUTHENTICATED
        if user["suspended_until"] is not None and user["suspended_until"] > now:
            return Close.SUSPENDED
    return None
