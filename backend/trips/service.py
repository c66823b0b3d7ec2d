"""The only writer of trips. Announcements are the caller's, after its commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.service import UserProfile, save_user
from backend.audit import AuditLog, Entry
from backend.clock import Clock
from backend.db import ensure_partition
from backend.errors import ProblemError
from backend.keys import SYSTEM_SENDER, Keyring
from backend.trips.access import access_trip_for_update
from backend.trips.models import ENDED, STATUSES, Trip, TripChat, TripParticipant

#: A trip ends at the latest this long after its creation; its expiries are counted from there.
LATEST_END = timedelta(days=1)

#: Days that each record class of a market is kept: (session, market) -> {"text": 90, "media": 30, "verdict": 365}.
KeepDays = Callable[[AsyncSession, str], Awaitable[Mapping[str, int]]]


class Person(msgspec.Struct, kw_only=True):
    """A driver or customer in the platform's words."""

    id: UUID
    name: str = ""
    locale: str | None = None
    phone: str | None = None
    rating: float | None = None


class TripFacts(msgspec.Struct, kw_only=True):
    """What the platform says of a trip."""

    market: str
    status: str
    driver: Person
    customer: Person
    vehicle: dict[str, Any] | None = None
    pickup: Any = None
    destination: Any = None


class Saved(msgspec.Struct, kw_only=True):
    """What changed: for the announcements after the commit."""

    trip: Trip
    created: bool
    status_changed: bool
    swapped_from: UUID | None


class TripWriter:
    """Creates and changes trips."""

    def __init__(
        self, keyring: Keyring, audit: AuditLog, clock: Clock, keep_days: KeepDays, closing_grace: timedelta
    ) -> None:
        self._keyring, self._audit, self._clock = keyring, audit, clock
        self._keep_days, self.closing_grace = keep_days, closing_grace

    async def save(self, session: AsyncSession, trip_id: UUID, facts: TripFacts) -> Saved:
        """Create or update a trip; another driver than before is a driver swap. Raises `invalid_value`."""
        if facts.status not in STATUSES:
            raise ProblemError(
                "invalid_value", f"There is no status {facts.status!r}; there are {', '.join(STATUSES)}."
            )
        if facts.driver.id == facts.customer.id:
            raise ProblemError("invalid_value", "Driver and customer are the same person.")
        # In the order of their ids: two trips of the same two, the other way round, must not wait for each other.
        for person in sorted((facts.driver, facts.customer), key=lambda one: one.id):
            profile = UserProfile(
                name=person.name or None, locale=person.locale, phone=person.phone, rating=person.rating
            )
            await save_user(session, self._keyring, self._clock, person.id, profile)
        trip = await access_trip_for_update(session, trip_id)
        if trip is None:
            trip = await self._create(session, trip_id, facts)
            if trip is not None:
                return Saved(trip=trip, created=True, status_changed=True, swapped_from=None)
            # Somebody else created it between the look and the insert: it is an update after all.
            trip = await access_trip_for_update(session, trip_id)
            if trip is None:
                raise ProblemError("conflict")
        return await self._update(session, trip, facts)

    async def _create(self, session: AsyncSession, trip_id: UUID, facts: TripFacts) -> Trip | None:
        now = self._clock.now()
        days = await self._keep_days(session, facts.market)
        last_day = (now + LATEST_END).date()
        expiries = {name: last_day + timedelta(days=days[name]) for name in ("text", "media", "verdict")}
        made = await session.execute(
            insert(Trip)
            .values(
                id=trip_id, market=facts.market, status="accepted",
                driver_id=facts.driver.id, customer_id=facts.customer.id,
                driver_name=facts.driver.name, customer_name=facts.customer.name,
                driver_rating=facts.driver.rating, customer_rating=facts.customer.rating,
                vehicle=facts.vehicle, pickup=facts.pickup, destination=facts.destination,
                text_expire_on=expiries["text"], media_expire_on=expiries["media"],
                verdict_expire_on=expiries["verdict"], created_at=now, updated_at=now,
            )
            .on_conflict_do_nothing()
            .returning(Trip.id)
        )  # fmt: skip
        if made.first() is None:
            return None
        for table, record_class in (("trip_message", "text"), ("trip_event", "text"), ("trip_verdict", "verdict")):
            await ensure_partition(session, table, expiries[record_class])
        session.add(
            TripChat(
                trip_id=trip_id,
                driver_id=facts.driver.id,
                customer_id=facts.customer.id,
                expire_on=expiries["text"],
                verdict_expire_on=expiries["verdict"],
                seq_driver=0,
                seq_customer=0,
                seq_staff=0,
            )
        )
        for person, role in ((facts.driver, "driver"), (facts.customer, "customer")):
            session.add(TripParticipant(trip_id=trip_id, user_id=person.id, role=role, from_seq=0, joined_at=now))
        for sender in (facts.driver.id, facts.customer.id, SYSTEM_SENDER):
            await self._keyring.create(
                session, market=facts.market, day=expiries["text"], trip_id=trip_id, sender_id=sender
            )
        await self._audit.append(
            session,
            Entry(event="trip.created", trip_id=trip_id),
            Entry(event="key.created", counts={"keys": 3}, trip_id=trip_id),
        )
        await session.flush()
        trip = await access_trip_for_update(session, trip_id)
        if trip is not None and facts.status != "accepted":
            await self._set_status(session, trip, facts.status)
        return trip

    async def _update(self, session: AsyncSession, trip: Trip, facts: TripFacts) -> Saved:
        if trip.customer_id != facts.customer.id:
            raise ProblemError("conflict", "A trip keeps its customer; make a new trip for another one.")
        swapped_from = trip.driver_id if trip.driver_id != facts.driver.id else None
        trip.driver_name = facts.driver.name or ("" if swapped_from else trip.driver_name)
        trip.customer_name = facts.customer.name or trip.customer_name
        trip.driver_rating = facts.driver.rating if facts.driver.rating is not None else trip.driver_rating
        trip.customer_rating = facts.customer.rating if facts.customer.rating is not None else trip.customer_rating
        for name in ("vehicle", "pickup", "destination"):
            if getattr(facts, name) is not None:
                setattr(trip, name, getattr(facts, name))
        trip.updated_at = self._clock.now()
        if swapped_from is not None:
            await self._swap_driver(session, trip, facts.driver.id)
        changed = await self._set_status(session, trip, facts.status)
        await session.flush()
        return Saved(trip=trip, created=False, status_changed=changed, swapped_from=swapped_from)

    async def _swap_driver(self, session: AsyncSession, trip: Trip, driver_id: UUID) -> None:
        """The new driver starts at the present number: what was said to the old one is not theirs to read."""
        now, chat = self._clock.now(), await session.get(TripChat, trip.id, with_for_update=True)
        if chat is None:
            raise ProblemError("trip_not_found")
        await session.execute(
            update(TripParticipant)
            .where(TripParticipant.trip_id == trip.id, TripParticipant.user_id == trip.driver_id)
            .values(left_at=now)
        )
        await session.execute(
            insert(TripParticipant)
            .values(trip_id=trip.id, user_id=driver_id, role="driver", from_seq=chat.seq_driver, joined_at=now)
            .on_conflict_do_update(
                index_elements=["trip_id", "user_id"],
                set_={"left_at": None, "joined_at": now, "from_seq": chat.seq_driver},
            )
        )
        chat.driver_id = trip.driver_id = driver_id
        chat.driver_muted_until = None
        await self._keyring.create(
            session, market=trip.market, day=trip.text_expire_on, trip_id=trip.id, sender_id=driver_id
        )
        await self._audit.append(
            session,
            Entry(event="trip.driver_swapped", trip_id=trip.id, person_id=driver_id),
            Entry(event="key.created", counts={"keys": 1}, trip_id=trip.id, person_id=driver_id),
        )

    async def set_status(self, session: AsyncSession, trip_id: UUID, status: str) -> Saved:
        """Move a trip to another status. Raises `trip_not_found`, `invalid_value`."""
        if status not in STATUSES:
            raise ProblemError("invalid_value", f"There is no status {status!r}; there are {', '.join(STATUSES)}.")
        trip = await access_trip_for_update(session, trip_id)
        if trip is None:
            raise ProblemError("trip_not_found")
        changed = await self._set_status(session, trip, status)
        await session.flush()
        return Saved(trip=trip, created=False, status_changed=changed, swapped_from=None)

    async def _set_status(self, session: AsyncSession, trip: Trip, status: str) -> bool:
        if trip.status == status:
            return False
        now = self._clock.now()
        trip.status, trip.updated_at = status, now
        if status == "in_transit" and trip.started_at is None:
            trip.started_at = now
        ended = status in ENDED
        if ended != (trip.ended_at is not None):
            trip.ended_at = now if ended else None
            closes_at: datetime | None = now + self.closing_grace if ended else None
            await session.execute(update(TripChat).where(TripChat.trip_id == trip.id).values(closes_at=closes_at))
        await self._audit.append(session, Entry(event="trip.status", outcome=status, trip_id=trip.id))
        return True

    async def set_location(self, session: AsyncSession, trip_id: UUID, location: dict[str, Any]) -> None:
        """Where the vehicle is. Raises `trip_not_found`."""
        done = await session.execute(
            update(Trip).where(Trip.id == trip_id).values(location=location).returning(Trip.id)
        )
        if done.first() is None:
            raise ProblemError("trip_not_found")
