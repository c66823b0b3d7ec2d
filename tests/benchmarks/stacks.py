"""The two stacks on one pair of engines: ours as real processes, and the reference."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import IO, Any

import asyncpg
import psutil

from backend.migrations import migrate_now
from backend.settings import Settings, load
from backend.supervisor.engines import Engines, running, running_child
from backend.supervisor.process import ChildSpec

#: Limits that guard against one noisy user would only measure themselves here.
UNLIMITED = {
    "TRIPWARDEN_LIMIT_MESSAGES_PER_S": "10000",
    "TRIPWARDEN_LIMIT_MESSAGES_BURST": "10000",
    "TRIPWARDEN_LIMIT_TRIP_MESSAGES_PER_S": "10000",
    "TRIPWARDEN_LIMIT_TRIP_MESSAGES_BURST": "10000",
    "TRIPWARDEN_LIMIT_REQUESTS_PER_S_LOOPBACK": "100000",
    "TRIPWARDEN_LOG_LEVEL": "warning",
}
#: Messages in a window that nobody is remembered to have sent: the flood signal looks and never finds.
NO_FLOOD = 100


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running server: where it answers, and the processes that its messages cost, by group."""

    name: str
    kind: str
    base: str
    groups: Mapping[str, Sequence[int]]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    data_dir: Path = Path()

    @property
    def settings(self) -> Settings:
        """The product's settings here."""
        return load(self.environment, data_dir=self.data_dir, with_runtime=False)

    @property
    def pids(self) -> list[int]:
        """Every server process of the stack; the engines are not among them."""
        return [pid for pids in self.groups.values() for pid in pids]


@dataclass(frozen=True)
class Ground:
    """What both stacks stand on: durable engines with a migrated database, and a directory that goes afterwards."""

    engines: Engines
    directory: Path
    log: IO[bytes]
    engine_pids: Mapping[str, Sequence[int]]

    def own_database(self, name: str) -> str:
        """The URL of a database of a part's own: fresh, migrated, without rows."""
        asyncio.run(_make_database(self.engines.postgres.url("postgres"), name))
        url = self.engines.postgres.url(name)
        migrate_now(url)
        return url


async def _make_database(url: str, name: str) -> None:
    driver: Any = asyncpg
    connection = await driver.connect(url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


@contextmanager
def ground() -> Generator[Ground]:
    """Engines with fsync on, in a fresh directory; everything is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="tripwarden-bench-", dir="/tmp" if os.geteuid() == 0 else None))
    directory.chmod(0o755)
    try:
        with running(directory, durable=True) as engines, (directory / "servers.log").open("ab") as log:
            migrate_now(engines.postgres.url("postgres"))
            yield Ground(engines, directory, log, _engine_pids())
    except RuntimeError:
        # The directory goes, and what a process said before it died is the only explanation.
        lines = (directory / "servers.log").read_text(errors="replace").splitlines()
        print("\n".join(lines[-20:]), file=sys.stderr)
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _engine_pids() -> dict[str, list[int]]:
    """Our only direct children so far are the two engines."""
    names = {str(child.pid): child.name() for child in psutil.Process().children()}
    return {
        "postgres": [int(pid) for pid, name in names.items() if name.startswith("postgres")],
        "valkey": [int(pid) for pid, name in names.items() if name.startswith("valkey")],
    }


@contextmanager
def product(ground: Ground, *, workers: int, sweepers: int = 2) -> Generator[Stack]:
    """Our server processes as `tripwarden up` starts them: api processes on one socket, sweepers, a worker."""
    data_dir = ground.directory / "data"
    environment = _environment(ground)
    with ExitStack() as running_now:
        listener = running_now.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        groups: dict[str, list[int]] = {"api": [], "sweeper": [], "worker": []}
        for number in range(workers):
            groups["api"].append(_api(running_now, ground, environment, data_dir, listener, number + 1))
        for verb, count in (("sweeper", sweepers), ("worker", 1 if sweepers else 0)):
            for number in range(count):
                spec = ChildSpec(name=f"{verb}-{number + 1}", command=_command(verb, data_dir), env=environment)
                groups[verb].append(running_now.enter_context(running_child(spec, ground.log)).pid)
        yield Stack(
            name=f"ours-{workers}",
            kind="tripwarden",
            base=base,
            groups=groups,
            environment=environment,
            data_dir=data_dir,
        )


def _api(
    running_now: ExitStack,
    ground: Ground,
    environment: Mapping[str, str],
    data_dir: Path,
    listener: socket.socket,
    number: int,
) -> int:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    async def ready() -> bool:
        try:
            return bool(os.read(reading, 1))
        except BlockingIOError:
            return False

    arguments = ("--fd", str(listener.fileno()), "--ready-fd", str(writing))
    spec = ChildSpec(
        name=f"api-{number}",
        command=_command("api", data_dir, *arguments),
        env={**environment, "TRIPWARDEN_LOG_PROCESS": f"api-{number}"},
        pass_fds=(listener.fileno(), writing),
        ready=ready,
    )
    try:
        return running_now.enter_context(running_child(spec, ground.log)).pid
    finally:
        os.close(reading)
        os.close(writing)


def _command(verb: str, data_dir: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "backend.cli", verb, "--data-dir", str(data_dir), *arguments]


def _environment(ground: Ground) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TRIPWARDEN_")}
    policy = ground.directory / "policy.toml"
    policy.write_text(_policy_without_flood())
    return plain | UNLIMITED | {
        "TRIPWARDEN_DATABASE_URL": ground.engines.postgres.url("postgres"),
        "TRIPWARDEN_REDIS_URL": ground.engines.valkey.url,
        "TRIPWARDEN_MODERATION_POLICY_FILE": str(policy),
    }  # fmt: skip


def _policy_without_flood() -> str:
    """The shipped policy with bounds that what is remembered never reaches; the cost of looking stays."""
    shipped = (resources.files("moderation") / "data/policy.toml").read_text()
    changed, found = re.subn(r"(?m)^(max_messages|max_repeats) = \d+", rf"\1 = {NO_FLOOD}", shipped)
    if found != 2:
        raise RuntimeError("the flood limits of the shipped policy are not where this benchmark looks for them")
    return changed


@contextmanager
def reference(ground: Ground, peers: Path) -> Generator[Stack]:
    """The reference: one process, no moderation, audit, sealing or idempotency."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": ground.engines.postgres.url("postgres"),
        "REDIS_URL": ground.engines.valkey.url,
        "PORT": str(port),
        "TRIPS": "2000",
    }

    async def ready() -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    command = [shutil.which("node") or "node", str(peers / "reference_stack.js")]
    spec = ChildSpec(name="reference", command=command, env=environment, ready=ready)
    with running_child(spec, ground.log) as child:
        base = f"http://127.0.0.1:{port}"
        yield Stack(name="reference", kind="reference", base=base, groups={"api": [child.pid]})
