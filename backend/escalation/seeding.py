"""The roster that a fresh installation starts with: people on call with simulated, verified telephones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.models import StaffAccount
from backend.clock import Clock
from backend.db import new_id
from backend.escalation.models import ContactMethod, OnCall
from backend.escalation.roster import DEFAULT_MARKET
from backend.keys import Keyring
from backend.notification.simulator.people import DUTY_MANAGER, PRIMARY, SECONDARY, SHIFT

#: Role on call -> (staff account, telephone). What the simulated owners do is in `simulator.people`.
DEMO_ROSTER: Mapping[str, tuple[str, str, str]] = {
    "primary": ("primary@tripwarden.local", "Dana Primary", PRIMARY),
    "secondary": ("secondary@tripwarden.local", "Sergei Secondary", SECONDARY),
    "duty_manager": ("duty@tripwarden.local", "Madina Duty", DUTY_MANAGER),
    "shift": ("shift@tripwarden.local", "Tom Shift", SHIFT),
}


async def add_contact(
    session: AsyncSession,
    keyring: Keyring,
    account_id: UUID,
    phone: str,
    *,
    language: str = "en",
    now: datetime,
    verified: bool,
) -> ContactMethod:
    """A telephone of a staff account, or the one that already has this number."""
    sealer = keyring.sealer("contact")
    mac = sealer.mac(phone.encode())
    known = (await session.scalars(select(ContactMethod).where(ContactMethod.phone_mac == mac))).one_or_none()
    if known is not None:
        return known
    method_id = new_id()
    method = ContactMethod(
        id=method_id,
        account_id=account_id,
        kind="phone",
        phone_sealed=sealer.seal(phone.encode(), method_id.bytes),
        phone_mac=mac,
        language=language,
        verified_at=now if verified else None,
        created_at=now,
    )
    session.add(method)
    await session.flush()
    return method


async def seed_roster(
    session: AsyncSession, keyring: Keyring, clock: Clock, markets: Sequence[str] = (DEFAULT_MARKET, "kz")
) -> int:
    """Put the demonstration's people on call in `markets`; safe to repeat. Returns how many turns were added."""
    now, added = clock.now(), 0
    for role, (email, name, phone) in DEMO_ROSTER.items():
        account = await _account(session, email, name, now)
        await add_contact(session, keyring, account.id, phone, now=now, verified=True)
        for market in markets:
            known = await session.scalars(
                select(OnCall.id).where(
                    OnCall.market == market, OnCall.account_id == account.id, OnCall.ends_at.is_(None)
                )
            )
            if known.first() is None:
                session.add(
                    OnCall(id=new_id(), market=market, account_id=account.id, role=role, starts_at=now, ends_at=None)
                )
                added += 1
    await session.flush()
    return added


async def _account(session: AsyncSession, email: str, name: str, now: datetime) -> StaffAccount:
    """Responders sign in elsewhere or not at all: no password."""
    found = await session.scalars(select(StaffAccount).where(StaffAccount.email == email))
    account = found.one_or_none()
    if account is None:
        account = StaffAccount(
            id=new_id(), email=email, name=name, role="moderator", password_hash=None, active=True, created_at=now
        )
        session.add(account)
        await session.flush()
    return account
