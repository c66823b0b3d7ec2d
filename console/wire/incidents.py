"""Incidents, who was paged, and what the simulated phones heard."""

from __future__ import annotations

from datetime import datetime

import msgspec

from console.wire.people import Party
from console.wire.trips import Location, Trip


class Attempt(msgspec.Struct, frozen=True):
    """One try at one contact method; `to` is a masked number."""

    id: str = ""
    channel: str = ""
    to: str | None = None
    name: str = ""
    status: str = ""
    at: datetime | None = None
    detail: str | None = None


class TimelineItem(msgspec.Struct, frozen=True):
    """A line of an incident's history."""

    at: datetime | None = None
    kind: str = ""
    text_code: str = ""
    who: str | None = None
    note: str | None = None


class Incident(msgspec.Struct, frozen=True):
    """An emergency; status triggered, acknowledged or resolved; level 0 to 4 once validated."""

    id: str
    trip_id: str = ""
    status: str = "triggered"
    level: int | None = None
    covert: bool = False
    urgency: int = 1
    short_code: str = ""
    triggered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    next_due: datetime | None = None
    attempts: list[Attempt] = []
    timeline: list[TimelineItem] = []
    reporter: Party | None = None
    trip: Trip | None = None
    note: str | None = None
    location: Location | None = None
    linked_to: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None


class PhoneEvent(msgspec.Struct, frozen=True):
    """Something that a simulated phone heard or did."""

    at: datetime | None = None
    kind: str = ""
    text: str = ""


class SimulatedPhone(msgspec.Struct, frozen=True):
    """A phone of the simulator and its events, newest last."""

    phone: str = ""
    name: str = ""
    events: list[PhoneEvent] = []
