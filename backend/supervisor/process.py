"""How a child is started so that it never outlives `tripwarden up`.

On Linux the kernel sends the child a signal the moment its parent dies, however that dies (prctl(2),
PR_SET_PDEATHSIG). Elsewhere `backend.supervisor.leash` runs the child and watches a pipe for the same moment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.supervisor.directories import EngineUser

#: From <sys/prctl.h>.
PR_SET_PDEATHSIG = 1

ON_LINUX = sys.platform.startswith("linux")


async def always_ready() -> bool:
    """For children that have no health of their own."""
    return True


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """One child of `up`: what to run, as whom, how it says that it is well, how it is stopped."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    user: EngineUser | None = None
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL  # what it gets when `up` is killed
    stop_within_s: float = 10.0
    ready_within_s: float = 120.0
    pass_fds: Sequence[int] = ()
    mute: Sequence[str] = ()  # lines with one of these in them are everyday noise and not shown
    ready: Callable[[], Awaitable[bool]] = always_ready
    tells_ready: bool = False  # takes `--ready-fd N` and writes a byte there when it is well
    prepare: Callable[[], None] = lambda: None  # before every start, also after a crash


def start_arguments(spec: ChildSpec, leash_fd: int | None = None) -> tuple[list[str], dict[str, Any]]:
    """Command line and keyword arguments for `subprocess.Popen` or `asyncio.create_subprocess_exec`.

    Call from the main thread: the death signal follows the thread that started the child. `leash_fd` is the
    read end of a pipe that `up` holds open; it is needed where there is no death signal.
    """
    options: dict[str, Any] = {
        "env": dict(spec.env),
        "stdin": subprocess.DEVNULL,
        "pass_fds": tuple(spec.pass_fds),
        "start_new_session": True,  # Ctrl-C reaches `up` alone; it stops the others in order
    }
    if spec.user is not None:
        options |= {"user": spec.user.uid, "group": spec.user.gid, "extra_groups": [], "cwd": "/"}
    command = list(spec.command)
    if ON_LINUX:
        options["preexec_fn"] = _death_signal_setter(spec.death_signal)
    elif leash_fd is not None:
        options["pass_fds"] += (leash_fd,)
        leash = [sys.executable, "-m", "backend.supervisor.leash", str(leash_fd), str(int(spec.death_signal)), "--"]
        command = leash + command
    return command, options


def _death_signal_setter(death_signal: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return set_death_signal
