"""The log: how fast it takes, sequences and verifies entries. `backend.audit.bench` on a database of its own."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from tests.benchmarks.stacks import Ground

DATABASE = "audit_bench"


class Sustained(msgspec.Struct):
    """Appending and sequencing at once; see `backend.audit.bench.Sustained`."""

    rows_per_commit: int
    way: str
    entries: int
    entries_per_s: float
    sequenced_ms_p50: float
    sequenced_ms_p95: float
    cpu_us_per_entry: float


class Audit(msgspec.Struct):
    """The figures of `backend.audit.bench`."""

    prepare_us: float
    seal_us: float
    sustained: list[Sustained]
    verified_entries: int
    verify_database_per_s: float
    verify_export_per_s: float
    export_bytes_per_entry: float


def measure(ground: Ground, *, seconds: float) -> Audit:
    """Fill and verify a log. Raises RuntimeError when it does not verify."""
    url = ground.own_database(DATABASE)
    command = [sys.executable, "-P", "-m", "backend.audit.bench", "--database-url", url, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"backend.audit.bench: {done.stderr.strip()[-500:]}")
    return msgspec.json.decode(done.stdout, type=Audit)
