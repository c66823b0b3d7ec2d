"""What came of it: counts, delivery times and errors of a run, as JSON."""

from __future__ import annotations

import random
from collections import Counter
from typing import Literal

import msgspec

Outcome = Literal["sent", "acked", "delivered", "withheld", "masked", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("sent", "acked", "delivered", "withheld", "masked", "rejected")
#: Delivery times kept for the percentiles; beyond that a fair sample of all (Vitter's algorithm R).
SAMPLE = 50_000


class DeliveryTimes(msgspec.Struct, frozen=True):
    """From a message's first try to its arrival on the peer's socket, in milliseconds (nearest rank)."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class Report(msgspec.Struct, frozen=True):
    """The figures of a run. `errors` counts by code; `repeats` are tries after the first."""

    seconds: float
    trips_started: int
    trips_ended: int
    sent: int
    acked: int
    delivered: int
    withheld: int
    masked: int
    rejected: int
    released: int
    repeats: int
    reconnects: int
    emergencies: int
    errors: dict[str, int]
    delivery_ms: DeliveryTimes
    by_language: dict[str, dict[str, int]]


class Figures:
    """Counts while a city runs."""

    def __init__(self) -> None:
        self.trips_started = self.trips_ended = 0
        self.repeats = self.reconnects = self.emergencies = self.released = 0
        self.errors: Counter[str] = Counter()
        self._counts: dict[str, Counter[str]] = {}
        self._times: list[float] = []
        self._timed = 0
        self._rng = random.Random(0)  # noqa: S311 (a sample, not a secret)

    def count(self, lang: str, outcome: Outcome) -> None:
        """One more message of `lang` came to `outcome`."""
        self._counts.setdefault(lang, Counter())[outcome] += 1

    def took(self, seconds: float) -> None:
        """A message needed this long to the peer's socket."""
        self._timed += 1
        if len(self._times) < SAMPLE:
            self._times.append(seconds * 1000)
        elif (place := self._rng.randrange(self._timed)) < SAMPLE:
            self._times[place] = seconds * 1000

    def total(self, outcome: Outcome) -> int:
        """How many messages came to `outcome`, in all languages."""
        return sum(counts[outcome] for counts in self._counts.values())

    def report(self, seconds: float) -> Report:
        """The figures after `seconds` of running."""
        times = sorted(self._times)
        return Report(
            seconds=round(seconds, 1),
            trips_started=self.trips_started,
            trips_ended=self.trips_ended,
            **{outcome: self.total(outcome) for outcome in OUTCOMES},
            released=self.released,
            repeats=self.repeats,
            reconnects=self.reconnects,
            emergencies=self.emergencies,
            errors=dict(sorted(self.errors.items())),
            delivery_ms=DeliveryTimes(self._timed, *(_rank(times, share) for share in (0.50, 0.95, 0.99))),
            by_language={
                lang: {outcome: counts[outcome] for outcome in OUTCOMES}
                for lang, counts in sorted(self._counts.items())
            },
        )


def _rank(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
