"""What a fresh installation needs to be tried at once: staff accounts, and people on call on simulated phones.

Passwords are made once per data directory and kept in `demo-accounts.json` (0600). What is there stays as it is.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.models import StaffAccount
from backend.accounts.service import create_staff, set_password
from backend.clock import Clock, SystemClock
from backend.db import Database
from backend.escalation.service import seed_roster
from backend.keys import Keyring, LocalRootKey
from backend.settings import Settings
from backend.supervisor.directories import write_private

DEMO_ACCOUNTS = "demo-accounts.json"
DOMAIN = "tripwarden.local"

#: Role and name of each demo account; its address is the role's.
PEOPLE = {
    "lead": "Dana Lead",
    "moderator": "Mikhail Moderator",
    "compliance": "Clara Compliance",
    "viewer": "Viktor Viewer",
    "admin": "Aigul Admin",
}


@dataclass(frozen=True)
class SignIn:
    """A demo account and its password."""

    email: str
    password: str


async def seed(settings: Settings) -> list[SignIn]:
    """Make what is missing and return the demo sign-ins."""
    fresh = not (settings.data.dir / DEMO_ACCOUNTS).exists()
    sign_ins = demo_sign_ins(settings.data.dir)
    clock, db = SystemClock(), Database(settings.database)
    keyring = Keyring(db, LocalRootKey.load(settings.data.dir, settings.key.root_file), clock)
    try:
        async with db.session() as session:
            await seed_accounts(session, clock, sign_ins, passwords_are_new=fresh)
            await seed_roster(session, keyring, clock)
            await session.commit()
    finally:
        await db.close()
    return sign_ins


def demo_sign_ins(data_dir: Path) -> list[SignIn]:
    """The demo accounts of this data directory; their passwords are made at the first call."""
    file = data_dir / DEMO_ACCOUNTS
    if not file.exists():
        made = {f"{role}@{DOMAIN}": secrets.token_urlsafe(12) for role in PEOPLE}
        write_private(file, json.dumps(made, indent=2) + "\n")
    return [SignIn(email, password) for email, password in json.loads(file.read_text()).items()]


async def seed_accounts(
    session: AsyncSession, clock: Clock, sign_ins: list[SignIn], *, passwords_are_new: bool
) -> None:
    """Make the accounts that are missing.

    A database that outlived its data directory knows other passwords: new ones replace them.
    """
    found = await session.execute(select(StaffAccount.email, StaffAccount.id))
    there = {row.email: row.id for row in found}
    for one in sign_ins:
        role = one.email.partition("@")[0]
        if one.email in there and passwords_are_new:
            await set_password(session, there[one.email], one.password)
        elif one.email not in there and role in PEOPLE:
            await create_staff(session, clock, email=one.email, name=PEOPLE[role], role=role, password=one.password)
