"""The highest rate at which everything arrives in time, found on a ladder of rates; and what was used up above it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from tests.benchmarks.load import Run

P99_MS = 100.0
#: What a stack that was asked for too much still has to do is not charged to the next run.
SETTLE_S = 3.0
#: A generator of one thread, and a machine, that are as busy as this are the limit themselves.
GENERATOR_FULL, MACHINE_FULL = 0.9, 0.95

Probe = Callable[[str, int], Run]


class Highest(msgspec.Struct, kw_only=True):
    """The highest rate of the search at which everything arrived with p99 within the bound.

    `ended_by`: what was used up at the next rate (`generator`, `machine`), `stack` when neither was, `ladder` when
    there was no next rate; the shares are those of that run."""

    variant: str
    sockets: int
    rate: int
    ratio: float | None
    ended_by: str | None = None
    next_rate: int | None = None
    generator_cores: float | None = None
    machine_busy: float | None = None


class _Search:
    """One variant's place on the ladder: every rate below `low` holds, `high` did not."""

    def __init__(self, rates: Sequence[int]) -> None:
        self.rates = rates
        self.low, self.high = -1, len(rates)
        self.failed: Run | None = None

    @property
    def next(self) -> int | None:
        """The rate to try, None when it is found."""
        return self.rates[(self.low + self.high) // 2] if self.high - self.low > 1 else None

    def note(self, run: Run) -> None:
        """What came of it."""
        place = self.rates.index(run.rate)
        if run.holds(P99_MS):
            self.low = place
        else:
            self.high, self.failed = place, run


def climb(
    names: Iterable[str], sockets: int, rates: Sequence[int], probe: Probe, *, settle_s: float = SETTLE_S
) -> list[Highest]:
    """Halve the ladder for every variant in turn, so that whatever else the machine does hits all of them.

    The better of two tries counts: a rate that held once can be held."""
    if not rates:
        return []
    searches = {name: _Search(rates) for name in names}
    while any(search.next is not None for search in searches.values()):
        for name, search in searches.items():
            rate = search.next
            if rate is not None:
                search.note(better_of_two(lambda name=name, rate=rate: probe(name, rate), settle_s))
    for name, search in searches.items():
        _look_above(search, lambda rate, name=name: probe(name, rate), settle_s)
    return [_highest(name, sockets, search) for name, search in searches.items()]


def _look_above(search: _Search, probe: Callable[[int], Run], settle_s: float) -> None:
    """A bad moment of the machine below the true rate would have cut off all above it: ask once more, much later."""
    while search.failed is not None and search.low + 1 < len(search.rates):
        run = probe(search.rates[search.low + 1])
        if not run.holds(P99_MS):
            search.failed = run
            time.sleep(settle_s)
            return
        search.low += 1
        search.high = search.low + 1
    search.failed = None


def better_of_two(go: Callable[[], Run], settle_s: float = SETTLE_S) -> Run:
    """A run that holds, or the second one."""
    run = go()
    if not run.holds(P99_MS):
        time.sleep(settle_s)
        run = go()
        if not run.holds(P99_MS):
            time.sleep(settle_s)
    return run


def _highest(name: str, sockets: int, search: _Search) -> Highest:
    failed = search.failed
    return Highest(
        variant=name,
        sockets=sockets,
        rate=search.rates[search.low] if search.low >= 0 else 0,
        ratio=None,
        ended_by=_what_ended(failed),
        next_rate=failed.rate if failed else None,
        generator_cores=failed.generator_cores if failed else None,
        machine_busy=failed.machine_busy if failed else None,
    )


def _what_ended(failed: Run | None) -> str:
    if failed is None:
        return "ladder"
    if (failed.generator_cores or 0) >= GENERATOR_FULL:
        return "generator"
    return "machine" if (failed.machine_busy or 0) >= MACHINE_FULL else "stack"


def with_ratios(found: Sequence[Highest], bar: str) -> list[Highest]:
    """The best of each variant, with its ratio to the variant `bar`."""
    best: dict[str, Highest] = {}
    for one in found:
        if one.variant not in best or one.rate > best[one.variant].rate:
            best[one.variant] = one
    bar_rate = best[bar].rate if bar in best else 0
    return [
        msgspec.structs.replace(one, ratio=round(one.rate / bar_rate, 2) if bar_rate else None) for one in best.values()
    ]
