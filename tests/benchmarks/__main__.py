"""`python -m tests.benchmarks`: measure, print a table and the JSON, keep the JSON under `results/`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks import audit, bell, chat, idle, machine, scale, verdict
from tests.benchmarks.alone import chat_alone
from tests.benchmarks.peers import NoPeersError, installed
from tests.benchmarks.report import PARTS as SHOWN
from tests.benchmarks.stacks import Ground, ground

PARTS = ("verdict", "audit", "idle", "bell", "scale", "chat")
RESULTS = Path(__file__).parent / "results"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer runs, no search, 200 sockets only")
    parser.add_argument("--rate", type=int, action="append", metavar="N", help="messages/s of the compared runs")
    parser.add_argument("--sockets", type=int, metavar="N", help="measure with so many sockets only")
    parser.add_argument("--no-search", action="store_true", help="do not look for the highest rate")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the JSON here instead of results/")
    chosen = parser.parse_args(argv)
    parts = chosen.only or list(PARTS)
    # A terminated benchmark cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ground() as where:
        report: dict[str, Any] = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "quick": chosen.quick,
            "machine": machine.describe(where.directory),
        }
        for part in PARTS:
            if part in parts:
                print(f"\n{part}", file=sys.stderr, flush=True)
                found, text = _measure(part, where, _plan(chosen), quick=chosen.quick)
                report[part] = found
                print(f"\n## {part}\n{text}", flush=True)
        report["load_average_after"] = machine.load_average()
    written = msgspec.json.format(msgspec.json.encode(report), indent=1)
    path = chosen.json or RESULTS / _file_name(report["measured_at"], parts, quick=chosen.quick)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written + b"\n")
    print(f"\n{written.decode()}\n\nkept as {path}")
    return 0


def _plan(chosen: argparse.Namespace) -> chat.Plan:
    plan = chat.QUICK if chosen.quick else chat.WHOLE
    if chosen.rate:
        plan = plan._replace(rates=tuple(chosen.rate))
    if chosen.sockets:
        plan = plan._replace(sockets=(chosen.sockets,))
    return plan._replace(search=()) if chosen.no_search else plan


def _measure(part: str, where: Ground, plan: chat.Plan, *, quick: bool) -> tuple[Any, str]:
    found = _found(part, where, plan, quick=quick)
    return found, SHOWN[part][1](found)


def _found(part: str, where: Ground, plan: chat.Plan, *, quick: bool) -> Any:
    if part == "verdict":
        return verdict.measure(repeats=2 if quick else verdict.REPEATS)
    if part == "audit":
        return audit.measure(where, seconds=1.0 if quick else 4.0)
    if part == "idle":
        return idle.measure(where, sockets=200 if quick else 2000)
    if part == "bell":
        rates, seconds = ((600,), 3.0) if quick else (bell.RATES, bell.SECONDS)
        return bell.measure(where.engines, where.own_database("bell_bench"), rates=rates, seconds=seconds)
    if part == "scale":
        return scale.measure(where, scale.QUICK if quick else scale.WHOLE)
    try:
        peers = installed()
    except NoPeersError as missing:
        print(f"  no comparison: {missing}; ours alone follows", file=sys.stderr)
        return chat_alone(where, str(missing), rate=plan.rates[0], seconds=plan.seconds)
    return chat.measure(where, peers, plan)


def _file_name(measured_at: str, parts: Sequence[str], *, quick: bool) -> str:
    day = measured_at[:16].replace(":", "").replace("-", "").replace("T", "-")
    what = "all" if set(parts) == set(PARTS) else "-".join(parts)
    return f"{day}-{what}{'-quick' if quick else ''}.json"


if __name__ == "__main__":
    sys.exit(main())
