"""Statuses of an attempt and the order in which they may follow each other.

Callbacks come late, twice and out of order: a status is taken only when it ranks above the one that is there, and
nothing follows an end.
"""

from __future__ import annotations

#: Ours, before the provider knows of it.
DUE, SENDING, UNKNOWN, RETRY = "due", "sending", "unknown", "retry"
#: Ours, for good: the provider refused it; nobody needed it any more; we ran out of tries.
REFUSED, SKIPPED, GIVEN_UP = "refused", "skipped", "given_up"

#: May still be sent (again).
OPEN = frozenset({DUE, SENDING, UNKNOWN, RETRY})
#: A phone rings or talks: hang up when somebody else took the incident.
LIVE = frozenset({"queued", "initiated", "ringing", "in_progress"})

_CALL = {
    "queued": 10,
    "initiated": 20,
    "ringing": 30,
    "in_progress": 40,
    **dict.fromkeys(("completed", "busy", "no_answer", "failed", "canceled"), 100),
}
_SMS = {
    "accepted": 5,
    "scheduled": 6,
    "queued": 10,
    "sending": 15,
    "sent": 20,
    **dict.fromkeys(("delivered", "undelivered", "failed", "read", "canceled"), 100),
}
_RANKS = {"call": _CALL, "sms": _SMS}


def normal(status: str) -> str:
    """Twilio's `no-answer` is our `no_answer`."""
    return status.strip().lower().replace("-", "_")


def is_known(channel: str, status: str) -> bool:
    return normal(status) in _RANKS.get(channel, {})


def is_over(channel: str, status: str) -> bool:
    """Whether nothing can follow."""
    return status in (REFUSED, SKIPPED, GIVEN_UP) or _RANKS.get(channel, {}).get(status, 0) >= 100


def advanced(channel: str, current: str, told: str) -> str | None:
    """The new status when `told` is news, None when it is late, doubled, unknown or after the end."""
    ranks = _RANKS.get(channel, {})
    told = normal(told)
    if told not in ranks or is_over(channel, current):
        return None
    if current in OPEN:
        return told  # a callback proves that the provider took it, whatever we thought
    return told if ranks[told] > ranks.get(current, 0) else None
