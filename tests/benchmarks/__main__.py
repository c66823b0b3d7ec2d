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

from tests.benchmarks import audit, chat, idle, machine, table, verdict
from tests.benchmarks.alone import chat_alone
from tests.benchmarks.peers import NoPeersError, installed
from tests.benchmarks.stacks import Ground, ground

PARTS = ("verdict", "audit", "idle", "chat")
RESULTS = Path(__file__).parent / "results"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer runs, no search, 200 sockets only")
    parser.add_argument("--rate", type=int, metavar="N", help="messages/s of the runs that are compared")
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
        plan = plan._replace(rate=chosen.rate)
    if chosen.sockets:
        plan = plan._replace(sockets=(chosen.sockets,))
    return plan._replace(search=()) if chosen.no_search else plan


def _measure(part: str, where: Ground, plan: chat.Plan, *, quick: bool) -> tuple[Any, str]:
    if part == "verdict":
        verdicts = verdict.measure(repeats=2 if quick else verdict.REPEATS)
        return verdicts, table.verdict(verdicts)
    if part == "audit":
        log = audit.measure(where, seconds=2.0 if quick else 4.0)
        return log, table.audit(log)
    if part == "idle":
        memory = idle.measure(where, sockets=200 if quick else 1000)
        return memory, table.idle(memory)
    try:
        peers = installed()
    except NoPeersError as missing:
        print(f"  no comparison: {missing}; ours alone follows", file=sys.stderr)
        alone = chat_alone(where, str(missing), rate=plan.rate, seconds=plan.seconds)
        return alone, table.chat(alone)
    compared = chat.measure(where, peers, plan)
    return compared, table.chat(compared)


def _file_name(measured_at: str, parts: Sequence[str], *, quick: bool) -> str:
    day = measured_at[:16].replace(":", "").replace("-", "").replace("T", "-")
    what = "all" if set(parts) == set(PARTS) else "-".join(parts)
    return f"{day}-{what}{'-quick' if quick else ''}.json"


if __name__ == "__main__":
    sys.exit(main())
