"""A child comes back when it dies, stops when it is asked, and never outlives its parent."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

from backend.supervisor.child import Child, StartError
from backend.supervisor.output import Output
from backend.supervisor.process import ChildSpec, start_arguments

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]


class Heard:
    """What an `Output` wrote."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.output = Output(self.out, self.err).open()


async def until(condition: Callable[[], object], within_s: float = 8) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def kept(spec: ChildSpec, heard: Heard) -> AsyncGenerator[Child]:
    child = Child(spec, heard.output)
    await child.start()
    keeper = asyncio.create_task(child.keep())
    try:
        yield child
    finally:
        await child.stop()
        await keeper
        heard.output.close()


async def test_a_killed_child_comes_back_and_it_is_said() -> None:
    heard = Heard()
    async with kept(ChildSpec(name="sleeper", command=SLEEP), heard) as child:
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid not in (None, first))
        await until(lambda: "is back" in heard.out.getvalue())
    assert "sleeper died (signal SIGKILL)" in heard.out.getvalue()


async def test_its_lines_carry_its_name() -> None:
    heard = Heard()
    async with kept(ChildSpec(name="sleeper", command=SLEEP), heard):
        await until(lambda: "sleeper   | here" in heard.err.getvalue())


async def test_a_stopped_child_stays_away() -> None:
    heard = Heard()
    async with kept(ChildSpec(name="sleeper", command=SLEEP), heard) as child:
        pid = child.pid
        assert pid is not None
        await child.stop()
        assert child.pid is None
        assert not psutil.pid_exists(pid)
    assert "died" not in heard.out.getvalue()


async def test_a_child_that_does_not_listen_is_killed_with_everything_it_started() -> None:
    deaf = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True); time.sleep(60)"
    )
    heard = Heard()
    async with kept(ChildSpec(name="deaf", command=[sys.executable, "-c", deaf], stop_within_s=0.3), heard) as child:
        await until(lambda: heard.err.getvalue().strip())
        grandchild = int(heard.err.getvalue().split()[-1])
        await child.stop()
        await until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


async def test_one_that_never_gets_well_is_an_error_with_its_last_words() -> None:
    heard = Heard()
    broken = ChildSpec(name="broken", command=[sys.executable, "-c", "raise SystemExit('no such table')"])
    broken_ready = ChildSpec(name="broken", command=broken.command, tells_ready=True)
    with pytest.raises(StartError, match="broken does not start; its last words: no such table"):
        await Child(broken_ready, heard.output).start()


async def test_a_child_that_tells_when_it_is_ready_is_waited_for() -> None:
    code = "import os, sys, time; time.sleep(0.3); os.write(int(sys.argv[-1]), b'1'); time.sleep(60)"
    heard = Heard()
    begun = time.monotonic()
    async with kept(ChildSpec(name="slow", command=[sys.executable, "-c", code], tells_ready=True), heard):
        assert time.monotonic() - begun > 0.3


PARENT = """
import signal, subprocess, sys, time
from backend.supervisor.process import ChildSpec, start_arguments
command, options = start_arguments(ChildSpec(name="x", command=[sys.executable, "-c", "import time; time.sleep(60)"]))
print(subprocess.Popen(command, **options).pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent death signal is Linux's")
def test_a_child_dies_with_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    gone, _ = psutil.wait_procs([child], timeout=3)
    assert gone


def test_a_leash_ends_the_child_when_the_pipe_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.supervisor.process.ON_LINUX", False)
    reader, writer = os.pipe()
    spec = ChildSpec(name="x", command=[sys.executable, "-c", "import time; time.sleep(60)"], env=dict(os.environ))
    command, options = start_arguments(spec, reader)
    leash = subprocess.Popen(command, **options)
    os.close(reader)
    time.sleep(0.5)
    assert leash.poll() is None
    os.close(writer)
    assert leash.wait(5) != 0
