"""What is due, what stays and why. Pure: the same facts give the same plan, and nothing is changed by making one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import Literal
from uuid import UUID

from retention.holds import Covered, HoldBook
from retention.schedule import RetentionRule

#: A run approves itself while what is due lies within this share of what the last days make likely.
TOLERANCE = 0.5
#: The forecast looks back so many days...
HISTORY_DAYS = 28
#: ... and says nothing while it has seen fewer than this: a young installation has no usual day yet.
HISTORY_LEAST = 7

Reason = Literal["dispose", "hold", "minimum", "unknown_trip"]


@dataclass(frozen=True)
class Candidate:
    """The records of one trip that expire on a day.

    `counted_from` is the latest possible end of the trip, from which a schedule counts its days; None: the trip is
    not known (any more).
    """

    covered: Covered
    counted_from: date | None
    rows: int = 1


@dataclass(frozen=True)
class Fate:
    """What becomes of a candidate. `keep_until` is set when the minimum forbids to dispose of it today."""

    reason: Reason
    keep_until: date | None = None
    hold_id: UUID | None = None


def decide(candidate: Candidate, today: date, rule_of: Callable[[str], RetentionRule], book: HoldBook) -> Fate:
    """The fate of one candidate: a hold beats the schedule, the minimum beats the expiry.

    What cannot be told for sure stays: records of a trip that is not known are nobody's to destroy by themselves.
    """
    hold = book.hold_on(candidate.covered)
    if hold is not None:
        return Fate("hold", hold_id=hold.id)
    market = candidate.covered.market
    if market is None or candidate.counted_from is None:
        return Fate("unknown_trip")
    earliest = candidate.counted_from + timedelta(days=rule_of(market).minimum_days)
    if today < earliest:
        return Fate("minimum", keep_until=earliest)
    return Fate("dispose")


@dataclass(frozen=True)
class DayPlan:
    """The plan for one class and one day of expiry. Counts are rows, except where they say trips."""

    record_class: str
    day: date
    dispose: frozenset[UUID] = frozenset()
    held: frozenset[UUID] = frozenset()
    early: dict[date, frozenset[UUID]] = field(default_factory=dict[date, frozenset[UUID]])
    rows: Counter[str] = field(default_factory=Counter[str])
    by_market: Counter[str] = field(default_factory=Counter[str])

    def counts(self) -> dict[str, int]:
        """`due`: rows that will go; `held`, `early`: rows that stay; the same in trips."""
        return {
            "due": self.rows["dispose"],
            "held": self.rows["hold"] + self.rows["unknown_trip"],
            "early": self.rows["minimum"],
            "trips": len(self.dispose),
            "held_trips": len(self.held),
            "early_trips": sum(len(trips) for trips in self.early.values()),
        }


def plan_day(
    record_class: str,
    day: date,
    candidates: Iterable[Candidate],
    *,
    today: date,
    rule_of: Callable[[str], RetentionRule],
    book: HoldBook,
) -> DayPlan:
    """Sort the candidates of a day by their fate. Raises `ValueError` for a day that has not come."""
    if day > today:
        raise ValueError(f"{record_class} of {day} is not due on {today}")
    plan = DayPlan(record_class, day)
    dispose: set[UUID] = set()
    held: set[UUID] = set()
    early: dict[date, set[UUID]] = {}
    for candidate in candidates:
        fate = decide(candidate, today, rule_of, book)
        plan.rows[fate.reason] += candidate.rows
        trip_id = candidate.covered.trip_id
        if fate.reason == "dispose":
            dispose.add(trip_id)
            plan.by_market[candidate.covered.market or ""] += candidate.rows
        elif fate.keep_until is not None:
            early.setdefault(fate.keep_until, set()).add(trip_id)
        else:
            held.add(trip_id)
    kept = {until: frozenset(trips) for until, trips in early.items()}
    return DayPlan(record_class, day, frozenset(dispose), frozenset(held), kept, plan.rows, plan.by_market)


@dataclass(frozen=True)
class Forecast:
    """What a run was expected to dispose of and whether it may go ahead by itself."""

    due: int
    expected: float | None
    approved: bool


def forecast(due: int, days: int, history: Sequence[int]) -> Forecast:
    """Compare what is due on `days` days of expiry with the median day of the last ones (`history`, rows a day)."""
    if len(history) < HISTORY_LEAST:
        return Forecast(due, None, approved=True)
    expected = float(median(history[-HISTORY_DAYS:])) * days
    return Forecast(due, expected, abs(due - expected) <= TOLERANCE * expected)


def together(parts: Sequence[Forecast]) -> Forecast:
    """Several classes in one run: approved when each is; expected is what those with a history make likely."""
    known = [part.expected for part in parts if part.expected is not None]
    due = sum(part.due for part in parts)
    return Forecast(due, sum(known) if known else None, all(part.approved for part in parts))
