"""How long a market keeps each class of record. A schedule never changes: another opinion is another version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

#: Every class of record that the product knows.
RECORD_CLASSES = ("text", "media", "location", "verdict", "case", "incident", "audit", "key", "data_request")
#: The market whose schedule holds for markets without one of their own.
DEFAULT_MARKET = "default"
#: Nothing is kept longer than this, in days (thirty years).
DAYS_MAX = 10_957


@dataclass(frozen=True)
class RetentionRule:
    """One class: kept at least `minimum_days`, gone after `maximum_days`, both counted from a trip's latest end.

    `basis` says on which ground (a law, a contract, a purpose); `regulator_reference` where it can be looked up.
    """

    record_class: str
    minimum_days: int
    maximum_days: int
    basis: str
    regulator_reference: str = ""

    def __post_init__(self) -> None:
        if self.record_class not in RECORD_CLASSES:
            raise ValueError(f"there is no record class {self.record_class!r}; there are {', '.join(RECORD_CLASSES)}")
        if not 0 <= self.minimum_days <= self.maximum_days <= DAYS_MAX:
            raise ValueError(f"0 <= minimum_days <= maximum_days <= {DAYS_MAX} is needed")
        if not self.basis.strip():
            raise ValueError("a rule needs a basis")


@dataclass(frozen=True)
class RetentionSchedule:
    """One version of a market's rules, one for each record class."""

    market: str
    version: int
    rules: tuple[RetentionRule, ...]
    saved_at: datetime | None = None

    def __post_init__(self) -> None:
        if sorted(rule.record_class for rule in self.rules) != sorted(RECORD_CLASSES):
            raise ValueError("a schedule has exactly one rule for each record class")

    def rule(self, record_class: str) -> RetentionRule:
        """The rule of a class. Raises `KeyError` for a class that there is not."""
        for rule in self.rules:
            if rule.record_class == record_class:
                return rule
        raise KeyError(record_class)

    def with_rule(self, rule: RetentionRule, saved_at: datetime) -> RetentionSchedule:
        """The next version, in which `rule` takes the place of the one of its class."""
        rules = tuple(rule if old.record_class == rule.record_class else old for old in self.rules)
        return replace(self, version=self.version + 1, rules=rules, saved_at=saved_at)


#: What holds until a market decides otherwise.
DEFAULT_RULES = (
    RetentionRule("text", 30, 90, "safety of riders and drivers; complaints within 60 days"),
    RetentionRule("media", 7, 30, "safety of riders and drivers"),
    RetentionRule("location", 30, 90, "disputes about the ride"),
    RetentionRule("verdict", 90, 365, "evidence of how messages were judged, without their text"),
    RetentionRule("case", 365, 730, "evidence of decisions of staff"),
    RetentionRule("incident", 1095, 1095, "limitation of claims after an emergency"),
    RetentionRule("audit", 365, 730, "accountability"),
    RetentionRule("key", 30, 90, "lives and dies with the text that it opens"),
    RetentionRule("data_request", 365, 1095, "proof that requests were answered"),
)


def default_schedule(market: str = DEFAULT_MARKET) -> RetentionSchedule:
    """Version 1 of a market's schedule."""
    return RetentionSchedule(market, 1, DEFAULT_RULES)


def keep_days(schedule: RetentionSchedule) -> dict[str, int]:
    """Days after its trip's latest end on which each class of record expires."""
    return {rule.record_class: rule.maximum_days for rule in schedule.rules}
