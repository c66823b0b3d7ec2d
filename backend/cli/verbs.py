"""Every verb, where its handler is, and what it does in one sentence.

A handler is `function(argv: list[str], data_dir: Path | None) -> int` (the exit status). To add a verb, write one
and name it here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Handler = Callable[[list[str], Path | None], int]


class Verb(NamedTuple):
    handler: str
    sentence: str

    def load(self) -> Handler:
        """Import the handler."""
        module, function = self.handler.split(":")
        return getattr(importlib.import_module(module), function)


VERBS: dict[str, Verb] = {
    "up": Verb("backend.cli.up:run", "start the whole product on this machine, its engines included"),
    "roll": Verb("backend.cli.up:roll", "replace the processes of a running `up` one after the other, by new code"),
    "migrate": Verb("backend.cli.processes:migrate", "bring the database to this version's schema"),
    "api": Verb("backend.cli.processes:api", "run one api process"),
    "worker": Verb("backend.cli.processes:worker", "run one worker process"),
    "sweeper": Verb("backend.cli.processes:sweeper", "run one sweeper process"),
    "console": Verb("backend.cli.processes:console", "run the staff console"),
    "simulator": Verb("backend.cli.processes:simulator", "run the telephone simulator"),
    "settings": Verb("backend.cli.settings:run", "show every setting and its value"),
    "token": Verb("backend.cli.token:run", "print a development key"),
    "staff": Verb("backend.cli.staff:run", "add and list staff accounts"),
    "moderate": Verb("backend.cli.moderate:run", "judge one text as the product would"),
    "policy": Verb("backend.policies.cli:run", "versions of the moderation policy: install, activate, compare"),
    "simulate": Verb("backend.city.cli:main", "drive a simulated city against a running api"),
    "audit": Verb("backend.audit.cli:run", "export and verify the audit log"),
    "retention": Verb("backend.records.cli:run", "reports and runs of retention"),
}


def overview() -> str:
    """The help text of `tripwarden` itself."""
    width = max(map(len, VERBS))
    lines = [f"  {name.ljust(width)}  {verb.sentence}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: tripwarden VERB [--data-dir DIR] [options]",
            "",
            *lines,
            "",
            "`tripwarden VERB --help` shows the options of a verb.",
        ]
    )
