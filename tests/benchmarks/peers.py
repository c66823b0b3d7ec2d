"""The reference stack and the load generator: `../shared/peers` beside the repository, installed into a cache."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.machine import REPOSITORY

SOURCE = REPOSITORY.parent / "shared" / "peers"
FILES = ("package.json", "load.js", "reference_stack.js")


class NoPeersError(RuntimeError):
    """There is nothing to compare with here; says what is missing."""


def installed() -> Path:
    """The directory with the peers and their packages, made when needed. Raises NoPeersError."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NoPeersError(f"{program} is not installed")
    if not SOURCE.is_dir():
        raise NoPeersError(f"{SOURCE} is not there")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or REPOSITORY / ".cache") / "peers"
    cache.mkdir(parents=True, exist_ok=True)
    fresh = (cache / "node_modules").is_dir() and _same(cache / "package.json", SOURCE / "package.json")
    for name in FILES:
        shutil.copyfile(SOURCE / name, cache / name)
    if not fresh:
        _install(cache)
    return cache


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and filecmp.cmp(one, other, shallow=False)


def _install(cache: Path) -> None:
    print(f"installing the reference stack into {cache} ...", file=sys.stderr)
    shutil.rmtree(cache / "node_modules", ignore_errors=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        shutil.rmtree(cache / "node_modules", ignore_errors=True)
        raise NoPeersError(f"npm install failed: {done.stderr.strip()[-300:]}")
