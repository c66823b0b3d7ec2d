"""Who is on call, now. Resolved at each step: who took over a minute ago is paged, who left is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.models import StaffAccount
from backend.escalation.models import ContactMethod, OnCall

DEFAULT_MARKET = "default"
_SHIFT_ROLES = frozenset({"primary", "secondary", "shift"})
_ROLES: dict[str, frozenset[str]] = {
    "primary": frozenset({"primary"}),
    "secondary": frozenset({"secondary"}),
    "duty_manager": frozenset({"duty_manager"}),
    "shift": _SHIFT_ROLES,
    "all": _SHIFT_ROLES | {"duty_manager"},
    "everyone": _SHIFT_ROLES | {"duty_manager", "reserve"},
    "everywhere": _SHIFT_ROLES | {"duty_manager", "reserve"},
}


class Contact(msgspec.Struct, frozen=True):
    """A verified telephone of somebody on call."""

    method_id: UUID
    account_id: UUID
    role: str
    market: str


async def on_call_contacts(session: AsyncSession, market: str, now: datetime) -> list[Contact]:
    """Every verified contact that is on call anywhere now; those of `market` first."""
    rows = await session.execute(
        select(ContactMethod.id, OnCall.account_id, OnCall.role, OnCall.market)
        .join(OnCall, OnCall.account_id == ContactMethod.account_id)
        .join(StaffAccount, StaffAccount.id == OnCall.account_id)
        .where(
            StaffAccount.active,
            ContactMethod.verified_at.is_not(None),
            OnCall.starts_at <= now,
            or_(OnCall.ends_at.is_(None), OnCall.ends_at > now),
        )
        .order_by(OnCall.market != market, OnCall.starts_at, OnCall.id)
    )
    return [Contact(*row) for row in rows]


def chosen(contacts: Sequence[Contact], market: str, targets: Iterable[str]) -> list[Contact]:
    """The contacts that `targets` name, each telephone once.

    A market without a roster of its own is served by the default one.
    """
    local = [contact for contact in contacts if contact.market == market]
    local = local or [contact for contact in contacts if contact.market == DEFAULT_MARKET] or list(contacts)
    found: dict[UUID, Contact] = {}
    for target in targets:
        pool = contacts if target == "everywhere" else local
        for contact in pool:
            if contact.role in _ROLES[target]:
                found.setdefault(contact.method_id, contact)
    return list(found.values())
