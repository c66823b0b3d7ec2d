"""The figures as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.audit import Audit
from tests.benchmarks.bell import Bell
from tests.benchmarks.chat import Chat
from tests.benchmarks.idle import Idle
from tests.benchmarks.scale import Scale
from tests.benchmarks.storage import Storage
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
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if isinstance(cell, float) and abs(cell) >= 100 else str(cell)


_COSTS = (
    "stack", "sockets", "msg/s", "CPU us/msg", "api alone", "engines", "p50 ms", "p99 ms", "ratio", "api ratio",
    "with engines",
)  # fmt: skip
_HIGHEST = ("stack", "sockets", "highest msg/s, p99 <= 100 ms", "ratio", "ended by", "at msg/s", "generator", "machine")


def chat(found: Chat) -> str:
    """Costs, then the highest rates, then the half of them."""
    costs = [
        (
            cost.variant, cost.sockets, cost.rate, cost.servers_us, cost.api_us, cost.engines_us,
            cost.p50, cost.p99, cost.ratio, cost.ratio_api, cost.ratio_with_engines,
        )
        for cost in found.costs
    ]  # fmt: skip
    parts = [table(_COSTS, costs) + (f"\n{found.note}" if found.note else "")]
    if found.highest:
        highest = [
            (
                one.variant, one.sockets, one.rate, one.ratio, one.ended_by, one.next_rate,
                _share(one.generator_cores), _share(one.machine_busy),
            )
            for one in found.highest
        ]  # fmt: skip
        parts.append(table(_HIGHEST, highest))
    if found.halves:
        halves = [(one.variant, one.sockets, one.rate, one.p50, one.p99) for one in found.halves]
        parts.append(table(("stack", "sockets", "half of its highest, msg/s", "p50 ms", "p99 ms"), halves))
    return "\n\n".join(parts)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


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


def bell(found: Bell) -> str:
    """Processes by rate, then looks and memory."""
    rows = [
        (
            one["rate"], " + ".join(process["role"] for process in one["processes"]),
            " + ".join(str(process["cpu_us"]) for process in one["processes"]),
            " + ".join(str(process["writes"]) for process in one["processes"]), one["valkey_us"],
        )
        for one in found.bells
    ]  # fmt: skip
    looks = "; ".join(f"{one['trips']:,.0f} trips {one['cpu_ms']} ms CPU, {one['wall_ms']} ms" for one in found.recheck)
    kept = ", ".join(f"{name.replace('_', ' ')} {count:,.0f}" for name, count in found.memory_bytes.items())
    head = ("msg/s", "processes", "CPU us/msg", "writes/msg", "Valkey us/msg")
    return table(head, rows) + f"\n\na re-check: {looks}\n\nbytes in a hub: {kept}"


def scale(found: Scale) -> str:
    """Memory, what things cost by process, latencies, bytes on the disk."""
    looks = [
        (name, *(" + ".join(f"{value:,}" for value in values) for values in (look.sockets, look.rss, look.pss)))
        for name, look in found.looks.items()
    ]
    groups = list(found.idle_ms_per_s)
    costs = [
        ("a join, us", *(found.join_us[group] for group in groups)),
        ("a silent second, ms", *(found.idle_ms_per_s[group] for group in groups)),
        ("a message, us", *(found.message_us[group] for group in groups)),
        ("a new trip, us", *(found.trip_us.get(group) for group in groups)),
        ("a position, us", *(found.position_us.get(group) for group in groups)),
    ]
    told = {"first of each driver": found.first, "steady": found.steady, "as fast as acknowledged": found.burst}
    speeds = [
        (name, one.sent, one.delivered, one.errors, one.per_s, one.p50, one.p99, one.max) for name, one in told.items()
    ]
    plan = found.plan
    return "\n\n".join(
        (
            f"{plan.known:,} trips known, {plan.active:,} active with {plan.active * 2:,} sockets",
            table(("at", "sockets of each api process", "RSS KiB", "PSS KiB"), looks),
            f"KiB for a known trip {found.kib_per_known_trip}, for an active one {found.kib_per_active_trip}, for a "
            f"socket {found.kib_per_socket}; {found.joins_per_s:,.0f} joins/s; a re-check of "
            f"{found.recheck['trips']:,.0f} trips {found.recheck['cpu_ms']} ms CPU, {found.recheck['wall_ms']} ms",
            table(("CPU of", *groups), costs),
            table(("messages", "sent", "delivered", "errors", "msg/s", "p50 ms", "p99 ms", "max ms"), speeds),
            _storage("message", found.storage),
            *([_storage("new trip", found.trip_storage)] if found.trip_storage else []),
            "connections to PostgreSQL: " + ", ".join(f"{name} {count}" for name, count in found.connections.items()),
        )
    )


def _storage(what: str, found: Storage) -> str:
    rows = [(name, heap, found.indexes[name]) for name, heap in sorted(found.heap.items(), key=lambda one: -one[1])]
    return (
        table((f"bytes a {what}, of {found.count:,}", "heap", "indexes"), rows)
        + f"\n\nall {found.total:,.0f}, write-ahead log {found.wal:,.0f}"
    )
