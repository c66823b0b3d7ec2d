"""What each staff role may use. The api refuses in any case; this only spares people doors that stay shut."""

from __future__ import annotations

ROLES = ("viewer", "moderator", "lead", "compliance", "admin")
EVERYONE = frozenset(ROLES)
DESK = frozenset({"moderator", "lead", "admin"})
READERS = frozenset({"moderator", "lead", "compliance", "admin"})
LEADS = frozenset({"lead", "admin"})
ADMINS = frozenset({"admin"})
RECORDS = frozenset({"lead", "compliance", "admin"})


def may(role: str, allowed: frozenset[str]) -> bool:
    """True where `role` is among `allowed`."""
    return role in allowed
