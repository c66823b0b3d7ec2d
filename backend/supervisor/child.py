"""One child: started, watched, brought back when it dies, stopped in its own way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from backend.supervisor.output import Output
from backend.supervisor.process import ChildSpec, start_arguments

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
#: A child that lived this long starts again with the first pause.
WELL_AFTER_S = 20.0
FIRST_START_TRIES = 4
READY_POLL_S = 0.1
LONGEST_LINE = 16 * 1024


class StartError(Exception):
    """A child did not come up; its last words are in its message."""


class Child:
    """`start` brings it up, `keep` keeps it up until `stop`."""

    def __init__(
        self, spec: ChildSpec, output: Output, *, leash_fd: int | None = None, changed: Callable[[], None] | None = None
    ) -> None:
        self.spec = spec
        self._output, self._leash_fd, self._changed = output, leash_fd, changed
        self._process: asyncio.subprocess.Process | None = None
        self._told_ready = asyncio.Event()
        self._pumps: set[asyncio.Task[None]] = set()
        self._last: deque[str] = deque(maxlen=8)
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def _is_up(self) -> bool:
        return self.pid is not None

    async def start(self) -> None:
        """Start it and wait until it is well. Raises StartError when it is not, after some tries."""
        for attempt in range(1, FIRST_START_TRIES + 1):
            await self._spawn()
            if await self._wait_ready():
                return
            await self._end()
            if self._stopping:
                return
            if attempt < FIRST_START_TRIES:
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)
        words = next((line for line in reversed(self._last) if line and not self._is_noise(line)), "nothing")
        raise StartError(f"{self.spec.name} does not start; its last words: {words[:300]}")

    async def keep(self) -> None:
        """Bring it back whenever it dies, with growing pauses. Returns after `stop`."""
        pause = FIRST_PAUSE_S
        while not self._stopping:
            born = time.monotonic()
            status = await self._wait()
            if self._stopping:
                return
            pause = FIRST_PAUSE_S if time.monotonic() - born > WELL_AFTER_S else min(pause * 2, LONGEST_PAUSE_S)
            self._output.say(f"tripwarden: {self.spec.name} died ({_describe(status)}); it is started again")
            self._kill_group()
            await asyncio.sleep(pause)
            died = time.monotonic()
            if not self._stopping:
                await self._bring_back(died)

    async def _bring_back(self, died: float) -> None:
        try:
            await self._spawn()
        except OSError as error:
            self._output.say(f"tripwarden: {self.spec.name} cannot be started ({error})")
            return
        if await self._wait_ready():
            self._output.say(f"tripwarden: {self.spec.name} is back after {time.monotonic() - died:.1f} s")
        elif self.pid is not None and not self._stopping:
            self._output.say(f"tripwarden: {self.spec.name} is not well after {self.spec.ready_within_s:.0f} s")
            await self._end()

    async def stop(self) -> None:
        """Ask it to stop in its own way, wait, then insist. Nothing of its process group is left afterwards."""
        self._stopping = True
        await self._end()

    async def _spawn(self) -> None:
        await asyncio.to_thread(self.spec.prepare)
        if self._stopping:
            return
        self._told_ready.clear()
        command, options = start_arguments(self.spec, self._leash_fd)
        reader = writer = -1
        if self.spec.tells_ready:
            reader, writer = os.pipe()
            command += ["--ready-fd", str(writer)]
            options["pass_fds"] += (writer,)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, **options
            )
        finally:
            if writer >= 0:
                os.close(writer)
        self._run(self._pump(self._process))
        if reader >= 0:
            self._run(self._listen_ready(reader))
        if self._changed:
            self._changed()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)

    async def _listen_ready(self, reader: int) -> None:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        loop.add_reader(reader, lambda: arrived.done() or arrived.set_result(None))
        try:
            await arrived
            if os.read(reader, 1):
                self._told_ready.set()
        finally:
            loop.remove_reader(reader)
            os.close(reader)

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        """Relay its output line by line; a line without an end is cut, not awaited."""
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(64 * 1024):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._hear(line)
        if rest:
            self._hear(rest)

    def _hear(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode(errors="replace").rstrip()
        self._last.append(text)
        if not self._is_noise(text):
            self._output.relay(self.spec.name, text)

    def _is_noise(self, line: str) -> bool:
        return any(noise in line for noise in self.spec.mute)

    async def _wait_ready(self) -> bool:
        deadline = time.monotonic() + self.spec.ready_within_s
        while self.pid is not None and time.monotonic() < deadline and not self._stopping:
            if (not self.spec.tells_ready or self._told_ready.is_set()) and await self.spec.ready():
                return self._is_up()
            await asyncio.sleep(READY_POLL_S)
        return False

    async def _wait(self) -> int | None:
        return await self._process.wait() if self._process else None

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.spec.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.spec.stop_within_s)
            except TimeoutError:
                self._output.say(f"tripwarden: {self.spec.name} does not stop; it is killed")
        self._kill_group()
        await process.wait()

    def _kill_group(self) -> None:
        """What is left of its session; it leads one of its own."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """At once, without asking."""
        self._stopping = True
        self._kill_group()


def _describe(status: int | None) -> str:
    if status is None:
        return "it could not be started"
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
