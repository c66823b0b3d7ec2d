"""Reads made for a participant. A trip that is not theirs is not found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.errors import ProblemError
from backend.trips.models import Trip

#: The columns of a `TripView`; $1 is the trip.
VIEW = """
SELECT t.id AS trip_id, t.market, t.status, t.driver_id, t.customer_id,
       coalesce(nullif(t.driver_name, ''), d.name, '') AS driver_name,
       coalesce(nullif(t.customer_name, ''), c.name, '') AS customer_name,
       t.text_expire_on, t.verdict_expire_on,
       coalesce(d.locale, 'en') AS driver_locale, coalesce(c.locale, 'en') AS customer_locale,
       coalesce(pd.from_seq, 0) AS driver_from_seq, coalesce(pc.from_seq, 0) AS customer_from_seq
FROM trip t
LEFT JOIN app_user d ON d.id = t.driver_id LEFT JOIN app_user c ON c.id = t.customer_id
LEFT JOIN trip_participant pd ON pd.trip_id = t.id AND pd.user_id = t.driver_id
LEFT JOIN trip_participant pc ON pc.trip_id = t.id AND pc.user_id = t.customer_id
WHERE t.id = $1
"""


class TripView(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has to know of a trip to carry its chat. Never the last word: the send decides in the database."""

    trip_id: UUID
    market: str
    status: str
    driver_id: UUID
    customer_id: UUID
    driver_name: str
    customer_name: str
    text_expire_on: Any
    verdict_expire_on: Any
    driver_locale: str
    customer_locale: str
    driver_from_seq: int
    customer_from_seq: int

    def role_of(self, user_id: UUID) -> str | None:
        """`driver`, `customer` or None."""
        return "driver" if user_id == self.driver_id else "customer" if user_id == self.customer_id else None

    def name_of(self, sender_type: str) -> str:
        """The name that readers see for a sender."""
        return {"driver": self.driver_name, "customer": self.customer_name}.get(sender_type, "")

    def locale_of(self, audience: str) -> str:
        """The language of an audience."""
        return {"driver": self.driver_locale, "customer": self.customer_locale}.get(audience, "en")

    def from_seq(self, audience: str) -> int:
        """The last number that came before this participant did."""
        return {"driver": self.driver_from_seq, "customer": self.customer_from_seq}.get(audience, 0)


async def access_view(pool: Any, trip_id: UUID) -> TripView:
    """The trip as it is now. `pool` is the asyncpg pool. Raises `trip_not_found`."""
    row = await pool.fetchrow(VIEW, trip_id)
    if row is None:
        raise ProblemError("trip_not_found")
    return TripView(**dict(row))


def is_participant(view: TripView, caller: Caller) -> bool:
    """Whether the caller takes part in this trip, with a token that is good for it."""
    if caller.trip_id is not None and caller.trip_id != view.trip_id:
        return False
    return caller.is_participant and view.role_of(caller.id) == caller.role


def check_participant(view: TripView, caller: Caller) -> None:
    """Raise `trip_not_found` unless the caller takes part in this trip, with a token that is good for it."""
    if not is_participant(view, caller):
        raise ProblemError("trip_not_found")


async def access_trip(session: AsyncSession, trip_id: UUID) -> Trip:
    """The row of a trip. Raises `trip_not_found`."""
    trip = await session.get(Trip, trip_id)
    if trip is None:
        raise ProblemError("trip_not_found")
    return trip


async def access_trip_for_update(session: AsyncSession, trip_id: UUID) -> Trip | None:
    """The row of a trip, locked until the end of the transaction; None when there is none."""
    found = await session.execute(select(Trip).where(Trip.id == trip_id).with_for_update())
    return found.scalar_one_or_none()
