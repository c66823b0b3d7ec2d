"""`tripwarden staff add | list`: accounts of the safety staff."""

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import STAFF_ROLES
from backend.accounts.models import StaffAccount
from backend.accounts.service import create_staff
from backend.cli.arguments import parser, read_settings, with_database
from backend.clock import SystemClock
from backend.db import Database
from backend.errors import ProblemError
from backend.settings import Settings

SHORTEST_PASSWORD = 12


def run(argv: list[str], data_dir: Path | None) -> int:
    """Add an account (password from the terminal or stdin, never an argument), or list all."""
    options = parser("staff")
    verbs = options.add_subparsers(dest="what", required=True)
    add = verbs.add_parser("add", help="add an account; asks for the password, or reads it from stdin")
    add.add_argument("email")
    add.add_argument("--name", default="")
    add.add_argument("--role", choices=STAFF_ROLES, default="moderator")
    verbs.add_parser("list", help="list all accounts")
    chosen = options.parse_args(argv)
    settings = with_database(read_settings(data_dir))
    if chosen.what == "list":
        asyncio.run(_list(settings))
    else:
        asyncio.run(_add(settings, chosen.email, chosen.name or chosen.email, chosen.role, _password()))
    return 0


def _password() -> str:
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < SHORTEST_PASSWORD:
        raise ProblemError("invalid_value", f"a password has at least {SHORTEST_PASSWORD} characters")
    return password


async def _add(settings: Settings, email: str, name: str, role: str, password: str) -> None:
    db = Database(settings.database)
    try:
        async with db.session() as session:
            account = await create_staff(session, SystemClock(), email=email, name=name, role=role, password=password)
            await session.commit()
            print(account.id)
    finally:
        await db.close()


async def _list(settings: Settings) -> None:
    db = Database(settings.database)
    try:
        async with db.session() as session:
            for line in await _lines(session):
                print(line)
    finally:
        await db.close()


async def _lines(session: AsyncSession) -> list[str]:
    accounts = (await session.execute(select(StaffAccount).order_by(StaffAccount.email))).scalars()
    return [
        f"{one.id}  {one.role:<10}  {one.email}  {one.name}{'' if one.active else '  (inactive)'}" for one in accounts
    ]
