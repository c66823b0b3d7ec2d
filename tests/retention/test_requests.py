"""Requests of people about their data are answered in time and touch nothing that must stay."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.requests import DataSubjectRequest, Erasure, plan_erasure


@pytest.mark.parametrize(
    ("jurisdiction", "received", "due"),
    [
        ("eu", date(2027, 1, 31), date(2027, 2, 28)),
        ("eu", date(2026, 12, 15), date(2027, 1, 15)),
        ("gb", date(2028, 1, 30), date(2028, 2, 29)),
        ("kz", date(2027, 1, 1), date(2027, 1, 16)),
        ("nowhere", date(2027, 1, 1), date(2027, 1, 31)),
    ],
)
def test_a_request_is_due_as_its_jurisdiction_says(jurisdiction: str, received: date, due: date) -> None:
    assert DataSubjectRequest("access", jurisdiction, received).due_on() == due


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(["eu", "kz", "default"]))
def test_a_request_is_never_due_before_a_week_or_after_a_month(received: date, jurisdiction: str) -> None:
    due = DataSubjectRequest("erasure", jurisdiction, received).due_on()
    assert timedelta(days=7) <= due - received <= timedelta(days=31)


def test_an_erasure_waits_for_the_minimum_and_for_holds() -> None:
    today, later = date(2027, 1, 1), date(2027, 2, 1)
    assert plan_erasure(today, later, held=False) == Erasure(later, restricted=True)
    assert plan_erasure(later, today, held=False) == Erasure(later, restricted=False)
    assert plan_erasure(later, today, held=True) == Erasure(None, restricted=True)
