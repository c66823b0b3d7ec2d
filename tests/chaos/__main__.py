"""`make chaos ARGS="--seed 7 --minutes 10 --pairs 20"`: a long storm, by hand. Exit status 1: something was found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvloop

from tests.chaos.nemesis import KINDS
from tests.chaos.report import keep, table
from tests.chaos.run import Course, run


def main() -> int:
    """Run it for each seed in turn."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seeds", type=int, default=1, metavar="N", help="so many runs, with this seed and the next")
    options.add_argument("--minutes", type=float, default=3.0)
    options.add_argument("--pairs", type=int, default=10)
    options.add_argument("--rate", type=float, default=25.0, help="messages a second of everybody together")
    options.add_argument("--apis", type=int, default=2)
    options.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND")
    options.add_argument("--out", type=Path, default=Path(".cache/chaos"))
    chosen = options.parse_args()
    wrong = 0
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        course = Course(
            seed=seed, seconds=chosen.minutes * 60, pairs=chosen.pairs, rate=chosen.rate, apis=chosen.apis,
            sweepers=2, kinds=tuple(chosen.only),
        )  # fmt: skip
        print(f"storm of seed {seed}", flush=True)
        outcome = uvloop.run(run(course, lambda line: print(f"  {line}", flush=True)))
        print(table(outcome), flush=True)
        print(f"  kept in {keep(outcome, chosen.out)}", flush=True)
        wrong += bool(outcome.findings)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
