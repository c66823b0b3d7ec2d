"""The product as real processes of a run's own: PostgreSQL, Valkey, api processes on ports of their own, a sweeper.

Each can be killed, frozen and started again; what should run and died by itself is started again, as `tripwarden up`
does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import IO, Any, cast

import asyncpg

from backend.migrations import migrate
from backend.settings import Settings, load
from backend.supervisor import postgres, valkey
from backend.supervisor.ports import free_port
from backend.supervisor.process import ChildSpec, start_arguments

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0
KEEPER_EVERY_S = 0.1


class Child:
    """A process that should run. `wanted`: somebody restarts it when it is gone."""

    def __init__(self, name: str, spec: Callable[[], ChildSpec], log: IO[bytes]) -> None:
        self.name, self._spec, self._log = name, spec, log
        self.process: subprocess.Popen[bytes] | None = None
        self.wanted = False
        self.deaths = 0
        self._again_at = 0.0

    @property
    def is_running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it; from now on it is kept."""
        spec = self._spec()
        spec.prepare()
        command, options = start_arguments(spec)
        popen = cast("Any", subprocess.Popen)
        self.process = popen(command, stdout=self._log, stderr=self._log, **options)
        self.wanted = True

    def keep(self) -> None:
        """Start it again if it died by itself."""
        if self.wanted and not self.is_running and time.monotonic() > self._again_at:
            self.deaths += 1
            self._again_at = time.monotonic() + 1.0
            self.start()

    def signal(self, number: int) -> None:
        """Send a signal, if there is somebody to take it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    async def end(self, number: int, within_s: float = 15.0) -> None:
        """Send it `number` and wait until it is gone; it is not kept any more."""
        self.wanted = False
        self.signal(signal.SIGCONT)
        self.signal(number)
        deadline = time.monotonic() + within_s
        while self.is_running:
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
            await asyncio.sleep(0.02)

    async def ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Wait until it is well. Raises RuntimeError when it does not become so."""
        deadline = time.monotonic() + within_s
        while not (self.is_running and await self._spec().ready()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is not ready; see {self._log.name}")
            await asyncio.sleep(0.05)


class House:
    """Everything that runs. `children` by name: `postgres`, `valkey`, `api-1` ..., `sweeper-1` ..."""

    def __init__(self, directory: Path, log: IO[bytes], apis: int, sweepers: int, command: list[str]) -> None:
        self.directory, self._log, self._command = directory, log, command
        self.data_dir = directory / "data"
        self.postgres = postgres.prepare(directory)
        self.valkey = valkey.prepare(directory)
        self.ports = [free_port() for _ in range(apis)]
        self.environment = self._environment()
        self.children: dict[str, Child] = {}
        self._add("postgres", self.postgres.spec)
        self._add("valkey", self.valkey.spec)
        for number, port in enumerate(self.ports, 1):
            self._add(f"api-{number}", lambda number=number, port=port: self._api(number, port))
        for number in range(1, sweepers + 1):
            self._add(f"sweeper-{number}", lambda number=number: self._process(f"sweeper-{number}", ["sweeper"]))

    def _add(self, name: str, spec: Callable[[], ChildSpec]) -> None:
        self.children[name] = Child(name, spec, self._log)

    def _environment(self) -> Mapping[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TRIPWARDEN_")}
        policy = self.directory / "policy.toml"
        policy.write_text(_policy_without_flood())
        return plain | {
            "TRIPWARDEN_LOG_LEVEL": "warning",
            "TRIPWARDEN_DATABASE_URL": self.postgres.url(),
            "TRIPWARDEN_REDIS_URL": self.valkey.url,
            "TRIPWARDEN_MODERATION_POLICY_FILE": str(policy),
            "PYTHONPATH": str(ROOT),
        }

    @property
    def settings(self) -> Settings:
        """The product's settings here."""
        return load(self.environment, data_dir=self.data_dir, with_runtime=False)

    @property
    def urls(self) -> list[str]:
        """Where each api process answers."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def _process(self, name: str, arguments: list[str], **more: Any) -> ChildSpec:
        command = [*self._command, *arguments, "--data-dir", str(self.data_dir)]
        return ChildSpec(name=name, command=command, env={**self.environment, "TRIPWARDEN_LOG_PROCESS": name}, **more)

    def _api(self, number: int, port: int) -> ChildSpec:
        async def ready() -> bool:
            with socket.socket() as asking:
                return asking.connect_ex(("127.0.0.1", port)) == 0

        return self._process(f"api-{number}", ["api", "--port", str(port)], ready=ready)

    @property
    def apis(self) -> list[Child]:
        """The api processes."""
        return [child for name, child in self.children.items() if name.startswith("api-")]

    async def start(self) -> None:
        """Engines, schema, processes; returns when all are ready."""
        for engine in ("postgres", "valkey"):
            self.children[engine].start()
        for engine in ("postgres", "valkey"):
            await self.children[engine].ready()
        await migrate(self.postgres.url())
        for child in self.children.values():
            if not child.is_running:
                child.start()
        await self.heal()

    async def heal(self) -> None:
        """Thaw and start whatever does not run, and wait until all is well."""
        for child in self.children.values():
            child.signal(signal.SIGCONT)
            if not child.is_running:
                child.start()
        for child in self.children.values():
            await child.ready()

    async def keep(self) -> None:
        """Until cancelled: what dies by itself comes back."""
        while True:
            for child in self.children.values():
                child.keep()
            await asyncio.sleep(KEEPER_EVERY_S)

    async def connect(self) -> Any:
        """A connection of our own to PostgreSQL, which may be on its way back."""
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                return await cast("Any", asyncpg).connect(self.postgres.url(), timeout=5)
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)

    async def end_processes(self) -> None:
        """Stop the product's own processes in good order; the engines stay."""
        ours = [child for name, child in self.children.items() if name not in ("postgres", "valkey")]
        await asyncio.gather(*(child.end(signal.SIGTERM) for child in ours))

    async def stop(self) -> None:
        """Stop everything."""
        await self.end_processes()
        await self.children["valkey"].end(signal.SIGTERM)
        await self.children["postgres"].end(signal.SIGINT, 30.0)


def _policy_without_flood() -> str:
    """The shipped policy with bounds that nobody here reaches: a storm is no flood."""
    shipped = (resources.files("moderation") / "data/policy.toml").read_text()
    changed, found = re.subn(r"(?m)^(max_messages|max_repeats) = \d+", r"\1 = 100000", shipped)
    if found != 2:
        raise RuntimeError("the flood limits of the shipped policy are not where this looks for them")
    return changed


@asynccontextmanager
async def open_house(*, apis: int = 2, sweepers: int = 1, command: list[str] | None = None) -> AsyncGenerator[House]:
    """A house in a directory of its own, gone afterwards. `command` replaces `python -m backend.cli`."""
    directory = Path(tempfile.mkdtemp(prefix="tripwarden-chaos-", dir="/tmp" if os.geteuid() == 0 else None))
    directory.chmod(0o755)  # noqa: ASYNC240  (before anything runs)
    try:
        with (directory / "house.log").open("ab") as log:
            house = House(directory, log, apis, sweepers, command or [sys.executable, "-P", "-m", "backend.cli"])
            keeping: asyncio.Task[None] | None = None
            try:
                await house.start()
                keeping = asyncio.create_task(house.keep())
                yield house
            finally:
                if keeping is not None:
                    keeping.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await keeping
                await house.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
