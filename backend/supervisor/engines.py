"""The embedded stack: PostgreSQL and Valkey under a data directory."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from backend.supervisor import postgres, valkey
from backend.supervisor.postgres import Postgres
from backend.supervisor.process import ChildSpec, start_arguments
from backend.supervisor.valkey import Valkey

__all__ = ["Engines", "Postgres", "Valkey", "running", "running_child"]


@dataclass(frozen=True)
class Engines:
    """Both engines, up and answering."""

    postgres: Postgres
    valkey: Valkey


@contextmanager
def running(data_dir: Path, *, durable: bool = True) -> Generator[Engines]:
    """Both engines under `data_dir` while the block runs; for tests and tools. Logs go to `engines.log` there.

    Call from the main thread: the engines end with the thread that started them.
    """
    engines = Engines(postgres.prepare(data_dir, durable=durable), valkey.prepare(data_dir))
    with ExitStack() as stack:
        log = stack.enter_context((data_dir / "engines.log").open("ab"))
        for spec in (engines.postgres.spec(), engines.valkey.spec()):
            stack.enter_context(running_child(spec, log))
        yield engines


@contextmanager
def running_child(spec: ChildSpec, log: IO[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """One child, ready, while the block runs. Raises RuntimeError when it does not become ready in its time."""
    spec.prepare()
    command, options = start_arguments(spec)
    child: subprocess.Popen[bytes] = cast("Any", subprocess.Popen)(command, stdout=log, stderr=log, **options)
    try:
        deadline = time.monotonic() + spec.ready_within_s
        while not _is_ready(spec):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{spec.name} did not start (exit status {child.returncode}); see {log.name}")
            time.sleep(0.03)
        yield child
    finally:
        child.send_signal(spec.stop_signal)
        try:
            child.wait(spec.stop_within_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _is_ready(spec: ChildSpec) -> bool:
    """Ask once, in a loop of its own: a caller under pytest keeps another one."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_ask(spec))
    finally:
        loop.close()


async def _ask(spec: ChildSpec) -> bool:
    return await spec.ready()
