"""The entry of the command line: find the verb, run it, turn what goes wrong into one line.

Exit status: 0 done; 1 it failed; 2 wrong usage, a wrong setting, or it is already running.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from backend.cli.verbs import VERBS, overview
from backend.errors import ProblemError

FAILED, MISUSED = 1, 2
MISUSES = frozenset({"setting_invalid", "already_running", "invalid_value"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tripwarden ARGV` and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        rest, data_dir = take_data_dir(arguments)
    except ValueError as error:
        return complain(str(error), MISUSED)
    if not rest or rest[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if rest else MISUSED
    verb = VERBS.get(rest[0])
    if verb is None:
        return complain(f"there is no verb {rest[0]!r}; `tripwarden --help` lists them", MISUSED)
    return _run(rest[0], rest[1:], data_dir)


def take_data_dir(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Take `--data-dir DIR` out, wherever it stands. Raises ValueError when its value is missing."""
    rest: list[str] = []
    data_dir: Path | None = None
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--data-dir":
            given = next(waiting, "")
        elif argument.startswith("--data-dir="):
            given = argument.partition("=")[2]
        else:
            rest.append(argument)
            continue
        if not given:
            raise ValueError("--data-dir needs a directory")
        data_dir = Path(given).expanduser().absolute()
    return rest, data_dir


def _run(name: str, argv: list[str], data_dir: Path | None) -> int:
    try:
        return VERBS[name].load()(argv, data_dir)
    except ProblemError as error:
        return complain(error.detail, MISUSED if error.code in MISUSES else FAILED)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at exit
        return FAILED
    except Exception as error:
        if os.environ.get("TRIPWARDEN_LOG_LEVEL", "").lower() == "debug":
            raise
        return complain(sentence_of(error), FAILED)


def sentence_of(error: BaseException) -> str:
    """One line for an unexpected error: what it says, what it is, where it comes from."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    said = (str(error).strip().splitlines() or ["it failed"])[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f"{frame.filename.rsplit('/backend/')[-1]}:{frame.lineno}" for frame in frames if "/backend/" in frame.filename
    ]
    return f"{said} ({type(error).__name__}{' at ' + ours[-1] if ours else ''})"


def complain(sentence: str, status: int) -> int:
    """Print one line to stderr and return `status`."""
    print(f"tripwarden: {' '.join(sentence.split())}", file=sys.stderr)
    return status
