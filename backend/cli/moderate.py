"""`tripwarden moderate`: judge one text with the policy of this installation."""

from __future__ import annotations

from pathlib import Path


def run(argv: list[str], data_dir: Path | None) -> int:
    """Hand over to the library's own command line, which needs no database."""
    from moderation import command

    return command.cli_main(argv)
