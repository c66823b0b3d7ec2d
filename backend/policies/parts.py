"""What a policy command works with: a database, keys, the log; no judge, no bell of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.models import StaffAccount
from backend.audit import AuditLog
from backend.clock import Clock, SystemClock
from backend.db import Database
from backend.errors import ProblemError
from backend.keys import Keyring, LocalRootKey
from backend.settings import Settings

#: Who may change what travellers may say.
ROLES = ("lead", "admin")


@dataclass(frozen=True)
class Parts:
    """Open until the command ends."""

    settings: Settings
    db: Database
    keyring: Keyring
    audit: AuditLog
    clock: Clock


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncGenerator[Parts]:
    """Connect; in the end everything is closed, the log's numbers too."""
    db, clock = Database(settings.database), SystemClock()
    await db.open()
    try:
        keyring = Keyring(db, LocalRootKey.load(settings.data.dir, settings.key.root_file), clock)
        audit = AuditLog(db, keyring, clock, "policy-cli", origin=settings.audit.origin)
        yield Parts(settings, db, keyring, audit, clock)
        await audit.flush_voids()
    finally:
        await db.close()


async def access_account(session: AsyncSession, email: str | None) -> UUID | None:
    """The account that answers for an act; None without an address. Raises `not_found`, `forbidden`."""
    return None if email is None else (await access_lead(session, email)).id


async def access_lead(session: AsyncSession, email: str) -> StaffAccount:
    """The account of a lead or admin. Raises `not_found`, `forbidden`."""
    account = await session.scalar(select(StaffAccount).where(StaffAccount.email == email))
    if account is None or not account.active:
        raise ProblemError("not_found", f"There is no account {email!r}; `tripwarden staff list` shows all.")
    if account.role not in ROLES:
        raise ProblemError("forbidden", f"Policies are the business of {' and '.join(ROLES)}, not of a {account.role}.")
    return account
