"""What one `up` at a time owns in its data directory: the lock, and what it tells other commands.

The lock belongs to the process, not to a file's existence: the kernel drops it however `up` ends, so it is never
stale. `runtime.json` may be; `backend.settings` reads it only while the lock is held.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.errors import ProblemError
from backend.settings import is_running
from backend.supervisor.directories import write_private

LOCK, RUNTIME = "up.lock", "runtime.json"

#: `tripwarden settings` holds the lock for an instant to see whether somebody else does.
PATIENCE_S = 0.5


class Lock:
    """The lock on a data directory, held from `take` to `release`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._handle = -1

    def take(self) -> None:
        """Take it. Raises ProblemError `already_running` when another `up` has it."""
        self._handle = os.open(self._data_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > deadline:
                    os.close(self._handle)
                    raise _already(self._data_dir) from None
            time.sleep(0.05)

    def release(self) -> None:
        """Let it go. The file stays: removing it would let two take it."""
        os.close(self._handle)


def _already(data_dir: Path) -> ProblemError:
    return ProblemError("already_running", f"`tripwarden up` already runs on {data_dir}; stop it, or use --data-dir")


@dataclass(frozen=True)
class Rolls:
    """How often the processes of an `up` were rolled, and why the last roll ended early (empty: it did not)."""

    count: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Runtime:
    """What an `up` that runs tells: its own process id, its children's by name, its rolls."""

    up: int
    pids: Mapping[str, int]
    rolls: Rolls


def write_runtime(data_dir: Path, settings: Mapping[str, Any], pids: Mapping[str, int], rolls: Rolls) -> None:
    """Tell other commands where everything is (0600: it holds the database's password)."""
    told = {"settings": settings, "pids": pids, "up": os.getpid(), "rolls": asdict(rolls)}
    write_private(data_dir / RUNTIME, json.dumps(told, indent=2) + "\n")


def read_runtime(data_dir: Path) -> Runtime | None:
    """What the `up` on this data directory tells; None when none runs, or not yet."""
    if not is_running(data_dir):
        return None
    try:
        told = json.loads((data_dir / RUNTIME).read_text())
        return Runtime(told["up"], told["pids"], Rolls(**told["rolls"]))
    except FileNotFoundError:
        return None


def remove_runtime(data_dir: Path) -> None:
    """Nothing runs here any more."""
    (data_dir / RUNTIME).unlink(missing_ok=True)
