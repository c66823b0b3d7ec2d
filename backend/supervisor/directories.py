"""Who owns the files of the engines, and whether that user can reach them.

PostgreSQL refuses to run as root, so root hands the engines to a system user. That user has to be able to walk
down to its files; a parent that is closed to it is refused by name before anything is made, and no permission
of a directory that was there before is ever changed.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.settings import SettingError

#: System users that root may hand the engines to, best first.
ENGINE_USERS = ("tripwarden", "postgres", "nobody")


@dataclass(frozen=True)
class EngineUser:
    """The system user that the engines run as when we are root."""

    name: str
    uid: int
    gid: int


def engine_user(existing: Path | None = None) -> EngineUser | None:
    """The user for the engines; None when we are not root and simply run them ourselves.

    Files in `existing` from an earlier run decide; otherwise the first of `ENGINE_USERS` that this machine has.
    """
    if os.geteuid() != 0:
        return None
    if existing is not None and existing.exists() and existing.stat().st_uid != 0:
        return _user_of(pwd.getpwuid(existing.stat().st_uid))
    for name in ENGINE_USERS:
        try:
            return _user_of(pwd.getpwnam(name))
        except KeyError:
            continue
    raise SettingError(
        "TRIPWARDEN_DATABASE_URL",
        "PostgreSQL does not run as root, and there is no system user to hand it to",
        f"a user named {' or '.join(ENGINE_USERS)}, or a database of your own",
    )


def _user_of(entry: pwd.struct_passwd) -> EngineUser:
    return EngineUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def is_open_to(directory: Path, user: EngineUser) -> bool:
    """Whether `user` may walk through `directory`, by its permission bits (no ACLs: they are then a refusal)."""
    info = directory.stat()
    if info.st_uid == user.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == user.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def check_reachable(directory: Path, user: EngineUser | None) -> None:
    """Raise SettingError naming the first existing directory on the way that is closed to `user`. Makes nothing."""
    if user is None:
        return
    for step in _steps(directory):
        if step.exists() and not is_open_to(step, user):
            raise SettingError(
                "TRIPWARDEN_DATA_DIR",
                f"the directory {step} is closed to the system user {user.name!r} that runs PostgreSQL for root",
                "a directory whose parents everybody may walk through, such as /var/lib/tripwarden",
            )


def _steps(directory: Path) -> Iterator[Path]:
    """`/`, `/a`, `/a/b`, ... of the real path, outermost first."""
    real = directory.resolve()
    yield from reversed(real.parents)
    yield real


def make_data_directory(directory: Path, user: EngineUser | None) -> None:
    """Make the data directory and missing parents: ours alone; root's are walkable (not listable) for the engines.

    Raises SettingError when that user cannot get there; nothing has been made then. What exists stays as it is.
    """
    check_reachable(directory, user)
    for step in _steps(directory):
        if not step.exists():
            step.mkdir()
            step.chmod(0o711 if user or os.geteuid() == 0 else 0o700)


def make_engine_directory(directory: Path, user: EngineUser | None) -> None:
    """Make a directory inside of the data directory that belongs to the engines' user alone."""
    if not directory.exists():
        directory.mkdir(mode=0o700)
        if user is not None:
            os.chown(directory, user.uid, user.gid)


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
