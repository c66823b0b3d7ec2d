"""`python -m backend.notification.simulator`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.notification.simulator.server import main


def _split(argv: list[str]) -> tuple[Path | None, list[str]]:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data-dir", type=Path, default=None)
    known, rest = parser.parse_known_args(argv)
    return known.data_dir, rest


if __name__ == "__main__":
    data_dir, rest = _split(sys.argv[1:])
    sys.exit(main(rest, data_dir))
