"""The chat against the reference stack: CPU of a delivered message, latency, the highest rate, p99 at half of it."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.benchmarks.load import Generator, Run
from tests.benchmarks.roster import make_roster
from tests.benchmarks.search import P99_MS, Highest, Probe, better_of_two, climb, with_ratios
from tests.benchmarks.stacks import Ground, Stack, product, reference


class Plan(NamedTuple):
    """How much is measured. Rates in messages a second."""

    sockets: tuple[int, ...]
    workers: tuple[int, ...]
    rates: tuple[int, ...]
    seconds: int
    rounds: int
    search: tuple[int, ...]
    search_seconds: int


LADDER = (150, 300, 450, 600, 750, 900, 1100, 1300, 1600, 2000, 2500, 3000, 4000, 5000)
WHOLE = Plan((200, 2000), (1, 2), (150, 600), 4, 3, LADDER, 3)
QUICK = Plan((200,), (1, 2), (150, 600), 2, 1, (), 0)


class Variant(NamedTuple):
    """One way in: a stack, and how messages get into it."""

    stack: Stack
    send: str

    @property
    def name(self) -> str:
        return "reference" if self.stack.kind == "reference" else f"{self.stack.name} {self.send}"


class Cost(msgspec.Struct, kw_only=True):
    """Medians of the runs of one variant; CPU in us a delivered message, latency in ms, ratios to the reference."""

    variant: str
    sockets: int
    rate: int
    servers_us: float
    api_us: float
    engines_us: float
    p50: float
    p99: float
    ratio: float | None
    ratio_api: float | None
    ratio_with_engines: float | None


class Half(msgspec.Struct, kw_only=True):
    """Half of the highest rate, with many sockets. From the send to the peer's socket: longer than from the commit."""

    variant: str
    sockets: int
    rate: int
    p50: float
    p99: float
    holds: bool


class Chat(msgspec.Struct, kw_only=True):
    """What was found, and the runs behind it; `cold`: the first messages of every sender, keys made on the way."""

    costs: list[Cost]
    highest: list[Highest]
    cold: list[Run]
    runs: list[Run]
    halves: list[Half] = []
    note: str | None = None


def measure(ground: Ground, peers: Path, plan: Plan) -> Chat:
    """Run the whole comparison."""
    found = Chat(costs=[], highest=[], cold=[], runs=[])
    generator = Generator(peers, ground.engine_pids)
    with reference(ground, peers) as bar:
        # Its just-in-time compiler has to have seen the path: the first thousand messages cost it twice as much.
        generator.run(bar, Path(), 200, send="rest", rate=300, seconds=8)
        for sockets in plan.sockets:
            # Many sockets are asked of the shape that `up` starts; small numbers of every shape.
            workers = plan.workers if sockets == min(plan.sockets) else plan.workers[-1:]
            _with_sockets(found, ground, generator, bar, plan, sockets, workers)
    return found


def _with_sockets(
    found: Chat, ground: Ground, generator: Generator, bar: Stack, plan: Plan, sockets: int, workers: Sequence[int]
) -> None:
    runs: list[Run] = []
    searched: list[Highest] = []
    for count in workers:
        with ExitStack() as stacks:
            ours = stacks.enter_context(product(ground, workers=count))
            roster = make_roster(ours, sockets // 2, ground.directory / f"roster-{sockets}-{count}.json")
            variants = [Variant(bar, "rest"), Variant(ours, "rest"), Variant(ours, "socket")]

            def go(variant: Variant, rate: int, seconds: int, roster: Path = roster) -> Run:
                run = generator.run(variant.stack, roster, sockets, send=variant.send, rate=rate, seconds=seconds)
                _say(variant, run)
                return run

            found.cold += _warm_up(variants, sockets, go)
            for rate in plan.rates:
                runs += [go(variant, rate, plan.seconds) for _ in range(plan.rounds) for variant in variants]
            if sockets == min(plan.sockets):
                searched += climb([one.name for one in variants], sockets, plan.search, _probe(variants, plan, go))
            else:
                found.halves += _halves(variants, found.highest, plan, go)
    found.runs += runs
    for rate in plan.rates:
        found.costs += costs_of([run for run in runs if run.rate == rate], sockets, rate)
    found.highest += with_ratios(searched, "reference")


Go = Callable[[Variant, int, int], Run]


def _warm_up(variants: Sequence[Variant], sockets: int, go: Go) -> list[Run]:
    """A message of every driver. Ours makes the sender's keys with the first one; nobody else pays for that."""
    seconds = 2 if sockets <= 400 else 5
    return [go(variant, max(100, sockets // 2 // seconds + 1), seconds) for variant in variants[:2]]


def _probe(variants: Sequence[Variant], plan: Plan, go: Go) -> Probe:
    named = {variant.name: variant for variant in variants}
    return lambda name, rate: go(named[name], rate, plan.search_seconds)


def _halves(variants: Sequence[Variant], highest: Sequence[Highest], plan: Plan, go: Go) -> list[Half]:
    """What a person feels when many are connected: half of what each variant sustains, the better of two tries."""
    rates = {one.variant: one.rate // 2 for one in highest}
    found: list[Half] = []
    for variant in variants:
        if rates.get(variant.name):
            run = better_of_two(lambda variant=variant: go(variant, rates[variant.name], plan.seconds))
            counted = run.counted
            found.append(
                Half(
                    variant=variant.name, sockets=run.sockets, rate=run.rate,
                    p50=counted.p50 or 0.0, p99=counted.p99 or 0.0, holds=run.holds(P99_MS),
                )
            )  # fmt: skip
    return found


def _name(run: Run) -> str:
    return "reference" if run.stack == "reference" else f"{run.stack} {run.send}"


def costs_of(runs: Iterable[Run], sockets: int, rate: int) -> list[Cost]:
    """Medians by variant, with ratios to the reference where it ran."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(_name(run), []).append(run)
    costs = [_cost(name, some, sockets, rate) for name, some in by_name.items()]
    bar = next((cost for cost in costs if cost.variant == "reference"), None)
    if bar is not None:
        for cost in costs:
            cost.ratio = round(cost.servers_us / bar.servers_us, 2)
            cost.ratio_api = round(cost.api_us / bar.servers_us, 2)
            whole, bar_whole = cost.servers_us + cost.engines_us, bar.servers_us + bar.engines_us
            cost.ratio_with_engines = round(whole / bar_whole, 2)
    return costs


def _cost(name: str, runs: Sequence[Run], sockets: int, rate: int) -> Cost:
    def median(of: Callable[[Run], float | None]) -> float:
        return round(statistics.median(value for run in runs if (value := of(run)) is not None), 1)

    return Cost(
        variant=name,
        sockets=sockets,
        rate=rate,
        servers_us=median(lambda run: run.servers_us),
        api_us=median(lambda run: run.cpu_us["api"]),
        engines_us=median(lambda run: run.cpu_us["postgres"] + run.cpu_us["valkey"]),
        p50=median(lambda run: run.counted.p50),
        p99=median(lambda run: run.counted.p99),
        ratio=None,
        ratio_api=None,
        ratio_with_engines=None,
    )


def _say(variant: Variant, run: Run) -> None:
    counted = run.counted
    print(
        f"  {variant.name:<16} {run.sockets:>5} sockets {run.rate:>5}/s  {run.servers_us:>7.0f} us "
        f"p50 {counted.p50} p99 {counted.p99} ms  {counted.delivered}/{counted.sent}, {counted.errors} errors",
        file=sys.stderr,
        flush=True,
    )
