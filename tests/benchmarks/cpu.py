"""CPU time of groups of processes, sampled while something else runs. Linux: reads /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path

EVERY_S = 0.05
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MACHINE = "machine"


def cpu_s(pid: int, *, with_children: bool = False) -> float:
    """User and system seconds of a process so far (proc(5)); with those of children that live or were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) * TICK_S
    if not with_children:
        return own
    ended = (int(fields[13]) + int(fields[14])) * TICK_S
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return own + ended + sum(cpu_s(int(child), with_children=True) for child in children)


def busy_s() -> float:
    """Seconds that all cores together have worked since the machine started, for whomever (proc_stat(5))."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) * TICK_S


class Sampler:
    """Remembers the CPU of each group over time, and that of everybody as the group `MACHINE`."""

    def __init__(self, groups: Mapping[str, Sequence[int]], trees: Sequence[str] = ()) -> None:
        self._groups, self._trees = groups, frozenset(trees)
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._stopping = threading.Event()

    @contextmanager
    def running(self) -> Generator[None]:
        """Sample until the block ends."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()
            self._take()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._take()
            self._stopping.wait(EVERY_S)

    def _take(self) -> None:
        now = time.monotonic()
        used = {
            name: sum(cpu_s(pid, with_children=name in self._trees) for pid in pids)
            for name, pids in self._groups.items()
        }
        used[MACHINE] = busy_s()
        self._samples.append((now, used))

    def between(self, start: float, end: float = inf) -> dict[str, float]:
        """Seconds that each group used between two monotonic moments, to the nearest samples before them."""
        first = max((sample for sample in self._samples if sample[0] <= start), default=self._samples[0])[1]
        # What a process used never shrinks, but one that has ended has nothing to show any more.
        within = [used for at, used in self._samples if at <= end]
        return {name: max(0.0, max(used[name] for used in within) - first[name]) for name in first}
