"""Schedules are versions: each has one rule for each class and is never changed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from retention.schedule import (
    DEFAULT_RULES,
    RECORD_CLASSES,
    RetentionRule,
    RetentionSchedule,
    default_schedule,
    keep_days,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_the_defaults_are_what_the_design_says() -> None:
    days = keep_days(default_schedule())
    assert (days["text"], days["media"], days["verdict"]) == (90, 30, 365)
    assert (days["case"], days["incident"], days["audit"]) == (730, 1095, 730)
    assert set(days) == set(RECORD_CLASSES)


def test_a_changed_rule_makes_the_next_version_and_leaves_the_old_one_alone() -> None:
    first = default_schedule("kz")
    second = first.with_rule(RetentionRule("text", 10, 20, "law"), NOW)
    assert (first.version, second.version) == (1, 2)
    assert first.rule("text").maximum_days == 90
    assert second.rule("text").maximum_days == 20
    assert second.rule("case") == first.rule("case")
    with pytest.raises(FrozenInstanceError):
        second.version = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("record_class", "low", "high", "basis"),
    [("gossip", 1, 2, "x"), ("text", 3, 2, "x"), ("text", -1, 2, "x"), ("text", 1, 20_000, "x"), ("text", 1, 2, " ")],
)
def test_a_rule_that_cannot_be_kept_is_refused(record_class: str, low: int, high: int, basis: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        RetentionRule(record_class, low, high, basis)


def test_a_schedule_with_a_class_missing_or_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly one rule"):
        RetentionSchedule("kz", 1, DEFAULT_RULES[1:])
    with pytest.raises(ValueError, match="exactly one rule"):
        RetentionSchedule("kz", 1, (*DEFAULT_RULES, DEFAULT_RULES[0]))


def test_a_class_that_there_is_not_has_no_rule() -> None:
    with pytest.raises(KeyError):
        default_schedule().rule("gossip")
