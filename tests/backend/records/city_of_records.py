"""Trips with words, verdicts, keys and marks, made through the product's own writers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import AuditLog
from backend.clock import MovableClock
from backend.db import Database, new_id
from backend.keys import Keyring, body_aad
from backend.records.expiry import keep_days
from backend.trips.models import Trip
from backend.trips.service import Person, TripFacts, TripWriter


@dataclass(frozen=True)
class Records:
    """The parts that retention works with, as a process has them."""

    db: Database
    keyring: Keyring
    audit: AuditLog
    clock: MovableClock


async def make_trip(records: Records, *, market: str = "kz", messages: int = 3) -> UUID:
    """A trip that is created now, with messages of both people, verdicts and a read mark."""
    trip_id, driver, customer = uuid4(), uuid4(), uuid4()
    writer = TripWriter(records.keyring, records.audit, records.clock, keep_days, timedelta(minutes=15))
    facts = TripFacts(
        market=market,
        status="in_transit",
        driver=Person(id=driver, name="D"),
        customer=Person(id=customer, name="C"),
        pickup={"lat": 43.2, "lon": 76.9},
    )
    async with records.db.session() as session:
        saved = await writer.save(session, trip_id, facts)
        for number in range(messages):
            await _say(session, records, saved.trip, driver if number % 2 else customer, number)
        await session.execute(
            text("INSERT INTO trip_receipt VALUES (:trip, :user, 'read', 1, :at)"),
            {"trip": trip_id, "user": driver, "at": records.clock.now()},
        )
        await session.commit()
    return trip_id


async def _say(session: AsyncSession, records: Records, trip: Trip, sender: UUID, number: int) -> None:
    key = await records.keyring.get(trip.id, sender, session)
    message_id = new_id()
    body = key.seal(f"message {number}".encode(), body_aad(trip.id, sender, message_id, "text"))
    values = {
        "id": message_id, "day": trip.text_expire_on, "trip": trip.id, "sender": sender, "body": body,
        "type": "driver" if sender == trip.driver_id else "customer", "seq": 100 + number,
        "at": records.clock.now(), "verdict_day": trip.verdict_expire_on,
    }  # fmt: skip
    await session.execute(
        text(
            """INSERT INTO trip_message (id, expire_on, trip_id, sender_id, sender_type, message_type, body, status,
            client_message_id, seq_driver, seq_customer, seq_staff, created_at)
            VALUES (:id, :day, :trip, :sender, :type, 'text', :body, 'delivered',
            gen_random_uuid(), :seq, :seq, :seq, :at)"""
        ),
        values,
    )
    await session.execute(
        text(
            """INSERT INTO trip_event (trip_id, seq_staff, expire_on, seq_driver, seq_customer, kind, message_id, at)
            VALUES (:trip, :seq, :day, :seq, :seq, 'new', :id, :at)"""
        ),
        values,
    )
    await session.execute(
        text(
            """INSERT INTO trip_verdict (message_id, expire_on, trip_id, outcome, flags, labels, signals,
            policy, model, at)
            VALUES (:id, :verdict_day, :trip, 'allow', '{}', '{}', '[]', 'p1', 'm1', :at)"""
        ),
        values,
    )


async def count(records: Records, what: str, **values: object) -> int:
    """A number straight from SQL: `count(records, "trip_message WHERE trip_id = :trip", trip=...)`."""
    async with records.db.session() as session:
        return int((await session.execute(text(f"SELECT count(*) FROM {what}"), values)).scalar_one())
