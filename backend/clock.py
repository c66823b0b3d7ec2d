"""Time as a dependency, so that stories move it instead of waiting for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; every domain asks this and never `datetime.now`."""

    def now(self) -> datetime:
        """The current moment, timezone-aware, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class MovableClock:
    """A clock that stands still until it is moved; for stories and drills."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> datetime:
        """Move the time by `by` (forwards or backwards) and return the new moment."""
        self._now += by
        return self._now


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T12:00:00.123456Z`: the one form in which the API writes a moment."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
