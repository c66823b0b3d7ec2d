"""Numbers and times in words, and other people's words made harmless."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.format import clock, due, moment, now, plain, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (65, "1 min 05 s"), (7_800, "2 h 10 min"), (400_000, "4 days")],
)
def test_spans_are_short(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_what_is_due_and_what_is_late_read_differently() -> None:
    assert due(now() + timedelta(seconds=30.5)) == "in 30 s"
    assert due(now() - timedelta(seconds=70)) == "1 min 10 s late"
    assert due(None) == ""


def test_times_are_in_the_readers_zone() -> None:
    at = datetime(2026, 1, 31, 20, 0, tzinfo=UTC)
    assert moment(at, ZoneInfo("Asia/Almaty")) == "01 Feb 2026 01:00:00"
    assert clock(at, ZoneInfo("Asia/Almaty")) == "01 Feb 01:00:00"


def test_a_name_cannot_bring_links_pictures_or_colours_into_a_page() -> None:
    assert plain("[x](http://evil) <b> :red[a]\n# b") == "\\[x\\]\\(http\\://evil\\) \\<b\\> \\:red\\[a\\] \\# b"
