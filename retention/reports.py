"""The report of a period: what was kept, what died, what was held, and whether it was on time; as JSON and as CSV.

Figures are rows unless they say otherwise. CSV is one figure a line (`section, market, record_class, figure, value`),
so that a new figure breaks nobody's import.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime

import msgspec


class ClassLine(msgspec.Struct, frozen=True, kw_only=True):
    """One market and record class on the day of the report.

    `created`: made in the period and still there. `disposed`: destroyed in the period. `due`: past its expiry,
    `overdue`: past it by more than a day. `held`: under a legal hold. `oldest`: day of the oldest record not held.
    """

    market: str
    record_class: str
    schedule_version: int
    minimum_days: int
    maximum_days: int
    created: int
    live: int
    due: int
    disposed: int
    held: int
    overdue: int
    overdue_reason: str
    oldest: date | None
    oldest_within_maximum: bool


class PolicyLine(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a market's schedule; `changed_in_period` when it was saved in the period."""

    market: str
    version: int
    saved_at: datetime | None
    changed_in_period: bool
    in_force: bool


class HoldLine(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that was in force at some moment of the period."""

    id: str
    scope: str
    target: str
    basis: str
    placed_at: datetime
    released_at: datetime | None
    review_on: date | None


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of the period. Lag: hours from the beginning of the day of expiry to the drop."""

    runs: int
    dry_runs: int
    waiting_for_approval: int
    partitions_dropped: int
    early_blocked: int
    lag_hours_median: float | None
    lag_hours_longest: float | None


class KeyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Keys destroyed in the period. Opened copies in processes die within `processes_forget_s`.

    Backups: words can be read as long as a backup of the schema `keys` from before the disposition is kept; that time
    is the operator's own, see `backups`.
    """

    destroyed: int
    living: int
    processes_forget_s: int
    backups: str


class OpenLine(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations that staff opened in the period."""

    purpose: str
    account: str
    role: str
    opened: int


class ComingLine(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that expire on one of the next days."""

    day: date
    record_class: str
    rows: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `checkpoint` is the newest signed one of the audit log; `verify` is how to check the log with it."""

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    generated_at: datetime
    classes: list[ClassLine]
    policies: list[PolicyLine]
    holds: list[HoldLine]
    disposition: RunFigures
    keys: KeyFigures
    opens: list[OpenLine]
    next_30_days: list[ComingLine]
    checkpoint: str | None
    verify: str


def as_json(report: Report) -> bytes:
    """The report as JSON, indented for reading."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def as_csv(report: Report) -> bytes:
    """The report as CSV (RFC 4180), one figure a line."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["section", "market", "record_class", "figure", "value"])
    for line in _lines(report):
        writer.writerow([_cell(value) for value in line])
    return out.getvalue().encode()


def _lines(report: Report) -> Iterator[Sequence[object]]:
    for name in ("from", "to", "generated_at", "verify"):
        yield ("report", "", "", name, msgspec.to_builtins(report)[name])
    for line in report.classes:
        facts = msgspec.to_builtins(line)
        market, record_class = facts.pop("market"), facts.pop("record_class")
        yield from (("class", market, record_class, name, value) for name, value in facts.items())
    for policy in report.policies:
        facts = msgspec.to_builtins(policy)
        market = facts.pop("market")
        yield from (("policy", market, "", f"{name} v{policy.version}", value) for name, value in facts.items())
    for hold in report.holds:
        yield from (("hold", "", "", f"{hold.id} {name}", value) for name, value in msgspec.to_builtins(hold).items())
    for section, figures in (("disposition", report.disposition), ("keys", report.keys)):
        yield from ((section, "", "", name, value) for name, value in msgspec.to_builtins(figures).items())
    for opened in report.opens:
        yield ("opens", "", "", f"{opened.purpose} by {opened.account} ({opened.role})", opened.opened)
    for coming in report.next_30_days:
        yield ("coming", "", coming.record_class, str(coming.day), coming.rows)
    yield ("checkpoint", "", "", "note", report.checkpoint)


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is told to be a text: names come from outside."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value
