"""Trips and their conversations as staff see them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from console.wire.people import Party


class Vehicle(msgspec.Struct, frozen=True):
    """What to look for on the street."""

    make: str = ""
    model: str = ""
    colour: str = ""
    plate: str = ""


class Location(msgspec.Struct, frozen=True):
    """A position: degrees, metres, and when it was true."""

    lat: float
    lon: float
    accuracy_m: float | None = None
    at: datetime | None = None


class Trip(msgspec.Struct, frozen=True):
    """A trip: phase, both parties, vehicle, last position."""

    id: str = ""
    trip_id: str = ""
    market: str = ""
    status: str = ""
    driver: Party | None = None
    customer: Party | None = None
    vehicle: Vehicle | None = None
    location: Location | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def ref(self) -> str:
        """The trip's id, whichever field the answer carried it in."""
        return self.trip_id or self.id


class LiveTrip(Trip, frozen=True):
    """A row of the live board; risk from 0 to 1."""

    risk: float = 0.0
    risk_reasons: list[str] = []
    open_cases: int = 0
    open_incidents: int = 0
    messages: int = 0
    withheld: int = 0
    last_message_at: datetime | None = None


class Signal(msgspec.Struct, frozen=True):
    """One measurement of a message; spans are character offsets [from, to)."""

    code: str = ""
    score: float | None = None
    spans: list[tuple[int, int]] = []
    detail: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The machine's answer on a message."""

    outcome: str = ""
    flags: list[str] = []
    labels: dict[str, float] = {}
    signals: list[Signal] = []
    policy: str = ""
    model: str = ""
    at: datetime | None = None


class Message(msgspec.Struct, frozen=True):
    """A message as staff see it: the original text, its status, the machine's verdict."""

    id: str
    sender_type: str = ""
    trip_id: str = ""
    sender_id: str | None = None
    message_type: str = "text"
    content: str | None = None
    masked_content: str | None = None
    media_url: str | None = None
    quick_message_template: str | None = None
    is_read: bool = False
    read_at: datetime | None = None
    created_at: datetime | None = None
    seq: int | None = None
    reply_to: str | None = None
    status: str = "delivered"
    reason: str | None = None
    sender_name: str = msgspec.field(name="senderName", default="")
    verdict: Verdict | None = None


class Conversation(msgspec.Struct, frozen=True):
    """Messages after a number; `last_seq` is where to go on."""

    items: list[Message] = []
    last_seq: int = 0
    epoch: str | int | None = None


class TripView(msgspec.Struct, frozen=True):
    """A trip that was opened with a purpose, with its conversation."""

    trip: Trip
    messages: list[Message] = []
    last_seq: int = 0
    epoch: str | int | None = None
