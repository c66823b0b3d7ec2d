"""One run of the load generator against one stack, and what the run cost each process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.benchmarks.cpu import MACHINE, Sampler
from tests.benchmarks.stacks import Stack

#: The generator listens this long for late messages before it reports; its CPU window includes it.
TAIL_S = 2.0
#: A run with less than this share delivered is no success, whatever its latency.
WHOLE = 0.999
GENERATOR = "generator"


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
    without the engines.

    `generator_cores`: cores that the load generator used while it sent (it is one process with one thread: near 1 it
    is the limit). `machine_busy`: share of all cores that worked, for whomever."""

    stack: str
    send: str
    sockets: int
    rate: int
    seconds: int
    counted: Counted
    cpu_us: dict[str, float]
    generator_cores: float | None = None
    machine_busy: float | None = None

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
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        groups = {**stack.groups, **self._engine_pids, GENERATOR: (child.pid,)}
        sampler = Sampler(groups, trees=tuple(self._engine_pids))
        with sampler.running():
            said, complained = _end_of(child, within_s=seconds + 120)
            ended = time.monotonic()
        if child.returncode:
            raise RuntimeError(f"load generator against {stack.name}: {complained.strip()[-500:]}")
        counted = msgspec.json.decode(said.strip().splitlines()[-1], type=Counted)
        begun = ended - seconds - TAIL_S
        used, sending = sampler.between(begun), sampler.between(begun, ended - TAIL_S)
        used["servers"] = sum(used[name] for name in stack.groups)
        named = (*stack.groups, *self._engine_pids, "servers")
        return Run(
            stack=stack.name,
            send=send,
            sockets=sockets,
            rate=rate,
            seconds=seconds,
            counted=counted,
            cpu_us={name: round(used[name] * 1e6 / max(1, counted.delivered), 1) for name in named},
            generator_cores=round(sending[GENERATOR] / seconds, 2),
            machine_busy=round(sending[MACHINE] / seconds / (os.cpu_count() or 1), 2),
        )


def _end_of(child: subprocess.Popen[str], *, within_s: float) -> tuple[str, str]:
    try:
        return child.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise RuntimeError(f"the load generator did not end within {within_s:.0f} s") from None
