"""The search for the highest rate, and the tables of a kept result."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks.load import Counted, Run
from tests.benchmarks.report import main
from tests.benchmarks.search import climb, with_ratios

RATES = (100, 200, 400, 800, 1600)


def run_at(rate: int, *, p99: float, generator: float = 0.3, machine: float = 0.5) -> Run:
    counted = Counted(
        sent=rate, acked=rate, delivered=rate, errors=0, p50=1.0, p95=p99, p99=p99, max=p99, cpu_us_per_delivered=1
    )
    return Run(
        stack="some", send="rest", sockets=200, rate=rate, seconds=1, counted=counted, cpu_us={"servers": 1.0},
        generator_cores=generator, machine_busy=machine,
    )  # fmt: skip


@pytest.mark.parametrize("most", [50, 100, 350, 400, 1600, 9000])
def test_finds_the_highest_rate_that_holds(most: int) -> None:
    (found,) = climb(["one"], 200, RATES, lambda _, rate: run_at(rate, p99=10 if rate <= most else 500), settle_s=0)
    assert found.rate == max((rate for rate in RATES if rate <= most), default=0)
    assert (found.ended_by == "ladder") is (most >= 1600)


def test_one_bad_moment_does_not_end_the_search() -> None:
    tries: Counter[int] = Counter()

    def probe(_: str, rate: int) -> Run:
        tries[rate] += 1
        return run_at(rate, p99=500 if tries[rate] == 1 else 10)

    assert climb(["one"], 200, RATES, probe, settle_s=0)[0].rate == 1600


def test_a_bad_minute_early_in_the_search_does_not_end_it() -> None:
    tries = iter(range(1000))
    (found,) = climb(
        ["one"], 200, RATES, lambda _, rate: run_at(rate, p99=500 if next(tries) < 4 or rate > 800 else 10), settle_s=0
    )
    assert (found.rate, found.next_rate, found.ended_by) == (800, 1600, "stack")


def test_says_when_the_generator_or_the_machine_was_the_limit() -> None:
    full = {"generator": (0.97, 0.8), "machine": (0.5, 1.0), "stack": (0.5, 0.7)}
    for name, (generator, machine) in full.items():
        slow = climb(
            [name], 200, RATES, lambda _, rate, g=generator, m=machine: run_at(rate, p99=500, generator=g, machine=m),
            settle_s=0,
        )  # fmt: skip
        assert slow[0].ended_by == name


def test_a_ratio_is_to_the_best_of_the_reference() -> None:
    def at_most(name: str, rate: int) -> Run:
        return run_at(rate, p99=10 if rate <= {"reference": 400, "ours": 800}[name] else 500)

    found = climb(["reference", "ours"], 200, RATES, at_most, settle_s=0)
    found += climb(["reference"], 200, RATES, lambda _, rate: run_at(rate, p99=10 if rate <= 200 else 500), settle_s=0)
    assert {one.variant: one.ratio for one in with_ratios(found, "reference")} == {"reference": 1.0, "ours": 2.0}


def test_every_kept_result_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    kept = sorted((Path(__file__).parent / "results").glob("*.json"))
    assert kept
    assert main([str(path) for path in kept]) == 0
    shown = capsys.readouterr().out
    for path in kept:
        assert msgspec.json.decode(path.read_bytes())["measured_at"] in shown
