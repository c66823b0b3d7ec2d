"""One run of the load generator against one stack, and what the run cost each process."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.benchmarks.cpu import Sampler
from tests.benchmarks.stacks import Stack

#: The generator listens this long for late messages before it reports; its CPU window includes it.
TAIL_S = 2.0
#: A run with less than this share delivered is no success, whatever its latency.
WHOLE = 0.999


class Counted(msgspec.Struct):
    """The generator's own line; latencies in ms from send to the peer's socket."""

    sent: int
    acked: int
    delivered: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    cpu_us_per_delivered: int | None


class Run(msgspec.Struct, kw_only=True):
    """One run. `cpu_us`: microseconds per delivered message of each group of processes, `servers` their sum
    without the engines."""

    stack: str
    send: str
    sockets: int
    rate: int
    seconds: int
    counted: Counted
    cpu_us: dict[str, float]

    @property
    def servers_us(self) -> float:
        """CPU of every server process per delivered message."""
        return self.cpu_us["servers"]

    def holds(self, p99_ms: float) -> bool:
        """Whether everything arrived, in time."""
        counted = self.counted
        whole = counted.errors == 0 and counted.delivered >= WHOLE * counted.sent
        return whole and counted.p99 is not None and counted.p99 <= p99_ms


class Generator:
    """The load generator in its directory, and the engines whose CPU is told apart."""

    def __init__(self, peers: Path, engine_pids: Mapping[str, Sequence[int]]) -> None:
        self._peers, self._engine_pids = peers, engine_pids

    def run(self, stack: Stack, roster: Path, sockets: int, *, send: str, rate: int, seconds: int) -> Run:
        """Send `rate` messages a second for `seconds`. Raises RuntimeError when the generator fails."""
        command = ["node", str(self._peers / "load.js"), "--kind", stack.kind, "--base", stack.base]
        command += ["--send", send, "--rate", str(rate), "--seconds", str(seconds)]
        command += ["--pids", ",".join(map(str, stack.pids))]
        command += ["--trips", str(sockets // 2)] if stack.kind == "reference" else ["--roster", str(roster)]
        sampler = Sampler({**stack.groups, **self._engine_pids}, trees=tuple(self._engine_pids))
        with sampler.running():
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 120)
            ended = time.monotonic()
        if done.returncode:
            raise RuntimeError(f"load generator against {stack.name}: {done.stderr.strip()[-500:]}")
        counted = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Counted)
        used = sampler.since(ended - seconds - TAIL_S)
        used["servers"] = sum(used[name] for name in stack.groups)
        cpu = {name: round(value * 1e6 / max(1, counted.delivered), 1) for name, value in used.items()}
        return Run(
            stack=stack.name, send=send, sockets=sockets, rate=rate, seconds=seconds, counted=counted, cpu_us=cpu
        )
