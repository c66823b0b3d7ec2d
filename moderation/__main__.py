"""`python -m moderation [FILE]`: JSON lines in, verdicts as JSON lines out, one for each, in order."""

from __future__ import annotations

from moderation.command import cli_main, run

__all__ = ["cli_main", "run"]

if __name__ == "__main__":
    raise SystemExit(cli_main())
