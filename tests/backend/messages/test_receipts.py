"""Watermarks, as they date a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.messages.receipts import Marks

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_two_phones_that_mark_at_once_never_move_a_moment_back_and_forth() -> None:
    later = NOON + timedelta(milliseconds=8)
    marks = Marks([("customer", "read", 4, later, 0), ("customer", "read", 6, NOON, 0)])
    assert marks.of("customer", 3)[0] == NOON
    assert marks.of("customer", 6)[0] == NOON
    assert marks.of("customer", 7)[0] is None


def test_whoever_took_over_has_read_nothing_of_the_time_before() -> None:
    later = NOON + timedelta(minutes=5)
    marks = Marks([("driver", "read", 4, later, 0), ("driver", "read", 6, NOON, 5)])
    assert marks.of("driver", 4)[0] == later
    assert marks.of("driver", 5)[0] is None
