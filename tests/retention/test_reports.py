"""CSV says what JSON says, and nothing in it runs in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime

from retention.reports import ClassLine, KeyFigures, Report, RunFigures, as_csv, as_json

LINE = ClassLine(
    market="=1+1",
    record_class="text",
    schedule_version=2,
    minimum_days=30,
    maximum_days=90,
    created=1,
    live=2,
    due=3,
    disposed=4,
    held=5,
    overdue=6,
    overdue_reason="-late",
    oldest=date(2026, 1, 1),
    oldest_within_maximum=False,
)
REPORT = Report(
    first=date(2026, 1, 1),
    last=date(2026, 1, 31),
    generated_at=datetime(2026, 2, 1, tzinfo=UTC),
    classes=[LINE],
    policies=[],
    holds=[],
    disposition=RunFigures(
        runs=1,
        dry_runs=0,
        waiting_for_approval=0,
        partitions_dropped=1,
        early_blocked=0,
        lag_hours_median=1.5,
        lag_hours_longest=None,
    ),
    keys=KeyFigures(destroyed=3, living=0, processes_forget_s=600, backups="x"),
    opens=[],
    next_30_days=[],
    checkpoint=None,
    verify="tripwarden audit verify log",
)


def test_json_names_the_period_and_every_figure() -> None:
    found = json.loads(as_json(REPORT))
    assert (found["from"], found["to"]) == ("2026-01-01", "2026-01-31")
    assert found["classes"][0]["disposed"] == 4


def test_csv_holds_the_same_figures_one_a_line() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(REPORT).decode())))
    figures = {row["figure"]: row["value"] for row in rows if row["section"] == "class"}
    facts = json.loads(as_json(REPORT))["classes"][0]
    for name, value in facts.items():
        if name not in ("market", "record_class", "overdue_reason"):
            assert figures[name] == str(value)


def test_no_cell_is_a_formula() -> None:
    for row in csv.reader(io.StringIO(as_csv(REPORT).decode())):
        assert not any(cell[:1] in ("=", "+", "-", "@") for cell in row)
