"""Requests of people about their data: by when they must be answered, and what an erasure may touch today."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Kind = Literal["access", "erasure"]

#: Days to answer by jurisdiction; None: one calendar month (Article 12(3) of Regulation (EU) 2016/679).
ANSWER_DAYS: dict[str, int | None] = {"eu": None, "gb": None, "kz": 15, "kg": 7, "default": 30}


@dataclass(frozen=True)
class DataSubjectRequest:
    """Somebody asks for their data, or for its end."""

    kind: Kind
    jurisdiction: str
    received_on: date

    def due_on(self) -> date:
        """The last day on which the answer is on time."""
        days = ANSWER_DAYS.get(self.jurisdiction, ANSWER_DAYS["default"])
        if days is not None:
            return self.received_on + timedelta(days=days)
        year, month = divmod(self.received_on.year * 12 + self.received_on.month, 12)
        return date(year, month + 1, min(self.received_on.day, monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Erasure:
    """What an erasure does with the records of one class and trip: now, or restricted until a day, or not at all."""

    when: date | None
    restricted: bool


def plan_erasure(today: date, earliest: date, *, held: bool) -> Erasure:
    """Under a hold: restricted, no date. Below the minimum: restricted until it. Else today."""
    if held:
        return Erasure(None, restricted=True)
    if today < earliest:
        return Erasure(earliest, restricted=True)
    return Erasure(today, restricted=False)
