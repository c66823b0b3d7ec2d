"""The epoch of all numbers. It changes when the database was restored, so that no client goes on from a lost number.

A backup that is put back has older numbers than phones out there. The marker, a small file outside the database,
remembers how far the audit log had come: a log that is shorter than its marker was restored.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

log = structlog.get_logger()

_STATE = """
SELECT i.epoch, coalesce((SELECT tree_size FROM audit_state WHERE id = 1), 0) AS tree_size FROM installation i
"""
#: Only from the epoch that was read: of many processes that start at once, one changes it.
_CHANGE = "UPDATE installation SET epoch = gen_random_uuid() WHERE epoch = $1"


def marker_path(data_dir: Path) -> Path:
    """Where the marker is."""
    return data_dir / "epoch-marker.json"


def _read(path: Path) -> tuple[UUID, int] | None:
    try:
        marker = json.loads(path.read_text())
        return UUID(marker["epoch"]), int(marker["tree_size"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        log.warning("epoch.marker_unreadable", path=str(path), error=type(error).__name__)
        return None


async def note_epoch(pool: Any, data_dir: Path) -> None:
    """Write down how far the log has come. The marker only ever grows within an epoch."""
    epoch, tree_size = await pool.fetchrow(_STATE)
    known = _read(marker_path(data_dir))
    if known is not None and known[0] == epoch and known[1] >= tree_size:
        return
    path = marker_path(data_dir)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"epoch": str(epoch), "tree_size": tree_size}))
    draft.replace(path)


async def check_epoch(pool: Any, data_dir: Path) -> bool:
    """At the start of a process: give the numbers a new epoch if the database was restored; True when it was."""
    epoch, tree_size = await pool.fetchrow(_STATE)
    known = _read(marker_path(data_dir))
    restored = known is not None and known[0] == epoch and tree_size < known[1]
    if restored:
        log.warning("epoch.restored", tree_size=tree_size)
        await pool.execute(_CHANGE, epoch)
    await note_epoch(pool, data_dir)
    return restored
