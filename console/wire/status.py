"""What the alarm bar shows: a few counts, no words of anybody."""

from __future__ import annotations

from datetime import datetime

import msgspec


class NewestIncident(msgspec.Struct, frozen=True):
    """The newest incident that nobody has acknowledged."""

    id: str
    trip_id: str = ""
    triggered_at: datetime | None = None
    next_due: datetime | None = None


class IncidentCounts(msgspec.Struct, frozen=True):
    """Incidents by state."""

    open: int = 0
    unacknowledged: int = 0
    newest: NewestIncident | None = None


class ReviewCounts(msgspec.Struct, frozen=True):
    """Cases by urgency."""

    open: int = 0
    overdue: int = 0
    urgent: int = 0


class TripCounts(msgspec.Struct, frozen=True):
    """Trips now under way."""

    live: int = 0


class LiveStatus(msgspec.Struct, frozen=True):
    """One answer of the live feed."""

    cursor: str | int | None = None
    incidents: IncidentCounts = IncidentCounts()
    review: ReviewCounts = ReviewCounts()
    trips: TripCounts = TripCounts()
    at: datetime | None = None
