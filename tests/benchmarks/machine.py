"""What a figure was measured on: without it a figure says nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = (
    "litestar",
    "uvicorn",
    "uvloop",
    "websockets",
    "asyncpg",
    "redis",
    "hiredis",
    "msgspec",
    "numpy",
    "cryptography",
)
REPOSITORY = Path(__file__).parents[2]


def describe(room: Path) -> dict[str, object]:
    """The machine, the versions, and how busy others keep it; `room`: a directory on the disk that is written to."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "filesystem": _filesystem(room),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "node": _said(["node", "--version"]),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _said(["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"]),
        "load_average": load_average(),
    }


def load_average() -> list[float]:
    """Runnable processes over the last 1, 5 and 15 minutes: above the number of cores, others take part of them."""
    return [round(value, 2) for value in os.getloadavg()]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _filesystem(room: Path) -> str:
    deepest = ""
    kind = "unknown"
    for part in psutil.disk_partitions(all=True):
        if str(room).startswith(part.mountpoint) and len(part.mountpoint) > len(deepest):
            deepest, kind = part.mountpoint, part.fstype
    return kind


def _said(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
