"""`tripwarden token`: development keys for people who try the API. Prints the key and nothing else."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from backend.accounts.tokens import TokenService, subject_id
from backend.cli.arguments import parser, read_settings, with_database
from backend.errors import ProblemError
from backend.settings import Settings

ROLES = ("driver", "customer", "service", "staff")
DEFAULT_TTL_S = 3600.0


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One key: the flags of the verb, and a line of `--batch`."""

    role: Literal["driver", "customer", "service", "staff"]
    sub: str
    trip: UUID | None = None
    staff_role: str = "lead"
    ttl: float = DEFAULT_TTL_S


def run(argv: list[str], data_dir: Path | None) -> int:
    """Print one key, or one a line for the JSON lines on stdin."""
    chosen = _options(batch="--batch" in argv).parse_args(argv)
    settings = read_settings(data_dir)
    if chosen.batch:
        wanted = list(read_batch(sys.stdin.buffer))
    else:
        wanted = [
            Wanted(role=chosen.role, sub=chosen.sub, trip=chosen.trip, staff_role=chosen.staff_role, ttl=chosen.ttl)
        ]
    if any(key.role == "staff" for key in wanted):
        asyncio.run(_ensure_staff(with_database(settings), wanted))
    tokens = TokenService.from_settings(settings)
    for key in wanted:
        print(mint(tokens, key))
    return 0


def mint(tokens: TokenService, wanted: Wanted) -> str:
    """The key itself."""
    staff = wanted.role == "staff"
    return tokens.mint(
        wanted.role,
        wanted.sub,
        trip=wanted.trip,
        staff_role=wanted.staff_role if staff else None,
        name=wanted.sub if staff else "",
        ttl_s=wanted.ttl,
    )


def read_batch(lines: Iterable[bytes]) -> Iterable[Wanted]:
    """Each line as a `Wanted`. Raises ProblemError naming the line that is none."""
    decoder = msgspec.json.Decoder(Wanted)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise ProblemError("invalid_value", f"line {number}: {error}") from error


async def _ensure_staff(settings: Settings, wanted: list[Wanted]) -> None:
    """Make the accounts that are missing. Imported here: the other roles need no database."""
    from backend.accounts.caller import STAFF_ROLES
    from backend.accounts.service import ensure_staff
    from backend.clock import SystemClock
    from backend.db import Database

    for key in wanted:
        if key.role == "staff" and key.staff_role not in STAFF_ROLES:
            raise ProblemError("invalid_value", f"there is no staff role {key.staff_role!r}: {', '.join(STAFF_ROLES)}")
    db = Database(settings.database)
    try:
        async with db.session() as session:
            for key in wanted:
                if key.role == "staff":
                    await ensure_staff(session, SystemClock(), subject_id(key.sub), key.sub, key.staff_role)
            await session.commit()
    finally:
        await db.close()


def _options(*, batch: bool) -> argparse.ArgumentParser:
    options = parser("token")
    options.add_argument("--role", choices=ROLES, required=not batch)
    options.add_argument("--sub", metavar="ID", required=not batch, help="id of the driver, rider, service or account")
    options.add_argument("--trip", metavar="ID", type=UUID, help="the only trip that the key is good for")
    options.add_argument(
        "--staff-role", metavar="ROLE", default="lead", help="viewer, moderator, lead, compliance or admin"
    )
    options.add_argument("--ttl", metavar="S", type=float, default=DEFAULT_TTL_S, help="seconds that the key is valid")
    options.add_argument("--batch", action="store_true", help="read JSON lines of these fields, print a key a line")
    return options
