"""`tripwarden up`: the flags, the data directory, the lock. `tripwarden roll`: new code into one that runs."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from backend.cli.arguments import parser, read_settings
from backend.errors import ProblemError
from backend.settings import Settings, is_running
from backend.supervisor.directories import engine_user, is_open_to, make_data_directory
from backend.supervisor.output import Output
from backend.supervisor.plan import ROLL_SIGNAL, Options
from backend.supervisor.runtime import LOCK, Lock, read_runtime

EPHEMERAL_PREFIX = "tripwarden-ephemeral-"
ROLL_LOOKS_S = 0.1


def run(argv: list[str], data_dir: Path | None) -> int:
    """Start everything, wait, stop everything."""
    chosen = _flags().parse_args(argv)
    if chosen.ephemeral and data_dir is not None:
        raise ProblemError("invalid_value", "--ephemeral makes a data directory of its own; leave out --data-dir")
    with data_directory(chosen, data_dir) as (directory, settings):
        from backend.supervisor.up import run as run_up  # slow to import; a wrong flag is told at once

        output = Output().open()
        try:
            run_up(_options(chosen, directory, settings), settings, output)
        finally:
            output.close()
    return 0


def roll(argv: list[str], data_dir: Path | None) -> int:
    """Ask a running `up` to replace its processes one after the other, and wait until it has.

    Raises ProblemError `not_found` when none runs, `unavailable` when it ends or cannot start a new process.
    """
    parser("roll").parse_args(argv)
    directory = read_settings(data_dir, with_runtime=False).data.dir
    before = read_runtime(directory)
    if before is None:
        raise ProblemError("not_found", f"`tripwarden up` does not run on {directory}")
    os.kill(before.up, ROLL_SIGNAL)
    while (now := read_runtime(directory)) is not None and now.up == before.up:
        if now.rolls.failed and now.rolls.count > before.rolls.count:
            raise ProblemError("unavailable", f"the roll ended early: {now.rolls.failed}")
        if now.rolls.count > before.rolls.count:
            replaced = [name for name, pid in now.pids.items() if before.pids.get(name) != pid]
            print(f"replaced: {', '.join(replaced)}")
            return 0
        time.sleep(ROLL_LOOKS_S)
    raise ProblemError("unavailable", "`tripwarden up` was stopped before it had rolled")


@contextmanager
def data_directory(chosen: argparse.Namespace, data_dir: Path | None) -> Generator[tuple[Path, Settings]]:
    """The data directory, made and locked, with the settings that hold there. Settings are checked first."""
    settings = read_settings(data_dir, with_runtime=False)
    directory = make_ephemeral() if chosen.ephemeral else settings.data.dir
    try:
        embedded = not (settings.database.url and settings.redis.url)
        make_data_directory(directory, engine_user(directory / "postgres") if embedded else None)
        lock = Lock(directory)
        lock.take()
        try:
            yield directory, settings
        finally:
            lock.release()
    finally:
        if chosen.ephemeral:
            shutil.rmtree(directory, ignore_errors=True)


def make_ephemeral() -> Path:
    """A new directory that goes at the stop; those of runs that were killed go now."""
    user = engine_user()
    for place in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if user is None or all(is_open_to(step, user) for step in (place, *place.resolve().parents)):
            break
    for old in place.glob(EPHEMERAL_PREFIX + "*"):
        if (old / LOCK).exists() and old.stat().st_uid == os.geteuid() and not is_running(old):
            shutil.rmtree(old, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=EPHEMERAL_PREFIX, dir=place))
    made.chmod(0o711 if user else 0o700)
    return made


def _options(chosen: argparse.Namespace, directory: Path, settings: Settings) -> Options:
    return Options(
        data_dir=directory,
        port=settings.api.port if chosen.port is None else chosen.port,
        console_port=settings.console.port if chosen.console_port is None else chosen.console_port,
        console=not chosen.no_console,
        api_workers=chosen.api_workers,
        ephemeral=chosen.ephemeral,
        simulate=not chosen.no_simulate,
        trips=chosen.trips,
    )


def _flags() -> argparse.ArgumentParser:
    flags = parser("up")
    flags.add_argument("--port", type=port, help="port of the api (0: a free one; default: TRIPWARDEN_API_PORT)")
    flags.add_argument("--console-port", type=port, help="port of the console (0: a free one)")
    flags.add_argument("--no-console", action="store_true", help="leave the console out")
    flags.add_argument("--api-workers", type=_some(1, 64), default=2, metavar="N", help="api processes (default: 2)")
    flags.add_argument("--ephemeral", action="store_true", help="use a data directory that goes at the stop")
    flags.add_argument("--no-simulate", action="store_true", help="leave the simulated city out")
    flags.add_argument(
        "--trips", type=_some(1, 10_000), default=12, metavar="N", help="trips of the city (default: 12)"
    )
    return flags


def _some(low: int, high: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        if not raw.isdecimal() or not low <= int(raw) <= high:
            raise argparse.ArgumentTypeError(f"{raw} is not from {low} to {high}")
        return int(raw)

    return read


def port(raw: str) -> int:
    """A port number; argparse names this function in its message."""
    return _some(0, 65535)(raw)
