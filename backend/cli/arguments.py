"""What the verbs share: a parser with `--data-dir` in its help, and settings with their warnings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.cli.verbs import VERBS
from backend.settings import SettingError, Settings, load, unknown_settings


def parser(verb: str) -> argparse.ArgumentParser:
    """A parser for `tripwarden VERB`. `--data-dir` was taken out before; it is here for the help."""
    made = argparse.ArgumentParser(prog=f"tripwarden {verb}", description=VERBS[verb].sentence, allow_abbrev=False)
    made.add_argument("--data-dir", metavar="DIR", help="data directory (default: TRIPWARDEN_DATA_DIR)")
    return made


def read_settings(data_dir: Path | None, *, with_runtime: bool = True) -> Settings:
    """The settings of this call; unknown names are told on stderr. Raises SettingError."""
    for name, nearest in unknown_settings():
        hint = f"; did you mean {nearest}?" if nearest else ""
        print(f"tripwarden: warning: there is no setting {name}{hint}", file=sys.stderr)
    return load(data_dir=data_dir, with_runtime=with_runtime)


def with_database(settings: Settings) -> Settings:
    """The same settings. Raises SettingError when they name no database."""
    if not settings.database.url:
        raise SettingError(
            "TRIPWARDEN_DATABASE_URL",
            f"no database: nothing runs on {settings.data.dir}",
            "a running `tripwarden up` on that --data-dir, or the address of a PostgreSQL",
        )
    return settings


def with_engines(settings: Settings) -> Settings:
    """The same settings. Raises SettingError when they name no database or no Valkey."""
    if not with_database(settings).redis.url:
        raise SettingError("TRIPWARDEN_REDIS_URL", "no Valkey or Redis", "redis://host:port/0")
    return settings
