"""Legal holds: what they cover is not disposed of, whatever a schedule says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast, get_args
from uuid import UUID

Scope = Literal["trip", "person", "case", "market"]
SCOPES: tuple[Scope, ...] = cast("tuple[Scope, ...]", get_args(Scope))


@dataclass(frozen=True)
class LegalHold:
    """A hold on a trip, on everything of a person's trips, on the trip of a case, or on a whole market.

    `target` is the id (a UUID as text) or the name of what it is on.
    """

    id: UUID
    scope: Scope
    target: str
    basis: str
    placed_at: datetime
    review_on: date | None = None
    released_at: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it holds at a moment. A review date that has passed ends nothing: only a release does."""
        return self.placed_at <= at and (self.released_at is None or self.released_at > at)


@dataclass(frozen=True)
class Covered:
    """What a hold may cover: a trip, its market, who took part in it, its cases."""

    trip_id: UUID
    market: str | None = None
    people: frozenset[UUID] = frozenset()
    cases: frozenset[UUID] = frozenset()


class HoldBook:
    """The holds in force, for many look-ups."""

    def __init__(self, holds: Iterable[LegalHold], at: datetime) -> None:
        self._by: dict[Scope, dict[str, LegalHold]] = {scope: {} for scope in SCOPES}
        for hold in holds:
            if hold.in_force(at):
                self._by[hold.scope].setdefault(hold.target, hold)

    def hold_on(self, covered: Covered) -> LegalHold | None:
        """A hold that covers it, or None."""
        targets: tuple[tuple[Scope, Iterable[object]], ...] = (
            ("trip", (covered.trip_id,)),
            ("market", (covered.market,)),
            ("person", covered.people),
            ("case", covered.cases),
        )
        for scope, among in targets:
            holds = self._by[scope]
            if holds and (found := next((holds[str(target)] for target in among if str(target) in holds), None)):
                return found
        return None

    def __len__(self) -> int:
        return sum(len(holds) for holds in self._by.values())
