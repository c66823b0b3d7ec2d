"""How bad a case is, and how soon somebody has to look at it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

Severity = Literal["low", "medium", "high", "critical"]
CaseKind = Literal["message", "urgent", "report"]

#: Worst last. The database compares by position in this order.
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

#: Seconds from the first signal until somebody should have decided.
SLA_S: dict[Severity, int] = {"critical": 60, "high": 300, "medium": 1_800, "low": 14_400}

#: From this severity on a decision needs a written rationale.
RATIONALE_FROM: Severity = "high"

#: Seconds that a claim lasts without a heartbeat.
LEASE_S = 120

#: Seconds for which a case that somebody skipped is not offered to the same person again.
SKIP_REST_S = 600


def rank(severity: str) -> int:
    """Position in `SEVERITIES`, 0 for low."""
    return SEVERITIES.index(severity)  # pyright: ignore[reportArgumentType]


def due_at(severity: Severity, opened_at: datetime) -> datetime:
    """The moment by which a case of this severity should be decided."""
    return opened_at + timedelta(seconds=SLA_S[severity])


def needs_rationale(severity: str) -> bool:
    """Whether a decision on a case of this severity has to say why."""
    return rank(severity) >= rank(RATIONALE_FROM)
