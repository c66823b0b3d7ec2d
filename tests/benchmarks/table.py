"""The figures as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.audit import Audit
from tests.benchmarks.chat import Chat
from tests.benchmarks.idle import Idle
from tests.benchmarks.verdict import Verdicts


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, columns padded."""
    shown = [[*head], *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in shown
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:,.0f}" if isinstance(cell, float) and cell >= 100 else str(cell)


def chat(found: Chat) -> str:
    """Costs, then the highest rates."""
    head = (
        "stack",
        "sockets",
        "msg/s",
        "CPU us/msg",
        "api alone",
        "engines",
        "p50 ms",
        "p99 ms",
        "ratio",
        "api ratio",
        "with engines",
    )
    costs = table(
        head,
        [
            (
                cost.variant, cost.sockets, cost.rate, cost.servers_us, cost.api_us, cost.engines_us,
                cost.p50, cost.p99, cost.ratio, cost.ratio_api, cost.ratio_with_engines,
            )
            for cost in found.costs
        ],
    )  # fmt: skip
    if found.note:
        costs += "\n" + found.note
    if not found.highest:
        return costs
    rows = [(one.variant, one.sockets, one.rate, one.ratio) for one in found.highest]
    return costs + "\n\n" + table(("stack", "sockets", "highest msg/s, p99 <= 100 ms", "ratio"), rows)


def verdict(found: Sequence[Verdicts]) -> str:
    """One line for each kind of text."""
    rows = [(one.texts, one.count, one.mean, one.p50, one.p99, _outcomes(one)) for one in found]
    return table(("texts", "count", "mean us", "p50 us", "p99 us", "outcomes"), rows)


def _outcomes(found: Verdicts) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.outcomes.items()))


def audit(found: Audit) -> str:
    """Appending and sequencing, then verifying."""
    rows = [
        (
            one.way, one.rows_per_commit, one.entries_per_s, one.cpu_us_per_entry,
            one.sequenced_ms_p50, one.sequenced_ms_p95,
        )
        for one in found.sustained
    ]  # fmt: skip
    head = ("append by", "rows a commit", "entries/s", "CPU us/entry", "sequenced p50 ms", "p95 ms")
    verified = (
        f"prepare {found.prepare_us} us, seal {found.seal_us} us; {found.verified_entries:,} entries verified: "
        f"{found.verify_database_per_s:,.0f}/s in the database, {found.verify_export_per_s:,.0f}/s offline"
    )
    return table(head, rows) + "\n" + verified


def idle(found: Idle) -> str:
    """One line."""
    head = ("idle sockets", "RSS KiB/socket", "PSS KiB/socket", "RSS before", "RSS open", "RSS after")
    row = (
        found.sockets, found.rss_kib_per_socket, found.pss_kib_per_socket,
        found.before.rss, found.during.rss, found.after.rss,
    )  # fmt: skip
    return table(head, [row])
