"""Tries to sign in, counted before the password is looked at, so that parallel guesses all count."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

from sqlalchemy import Index, LargeBinary, Text, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.clock import Clock
from backend.db import Base, new_id, utc_column
from backend.errors import ProblemError

WINDOW = timedelta(minutes=5)
#: Tries in `WINDOW` that end without a sign-in. One account from one address; one address; one account from anywhere:
#: the last is wide, because whoever can lock an account out can keep its owner away from an emergency.
PER_PAIR, PER_ADDRESS, PER_ACCOUNT = 5, 30, 200
#: The console signs all of its people in from its own machine.
PER_LOOPBACK = 300


class SignInAttempt(Base):
    """A try that has not (yet) ended in a sign-in. The account is only kept as a hash of what was typed."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("sign_in_attempt_account", "account_key", "at"),
        Index("sign_in_attempt_address", "address", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_key: Mapped[bytes] = mapped_column(LargeBinary)
    address: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = utc_column()


def _key(email: str) -> bytes:
    return hashlib.sha256(email.strip().lower().encode()).digest()


async def begin(session: AsyncSession, clock: Clock, email: str, address: str) -> None:
    """Count this try. The caller commits, then looks at the password. Raises `rate_limited`."""
    now, key = clock.now(), _key(email)
    await session.execute(delete(SignInAttempt).where(SignInAttempt.at < now - WINDOW))
    mine, here = SignInAttempt.account_key == key, SignInAttempt.address == address
    counted = select(
        func.count().filter(mine & here).label("pair"),
        func.count().filter(here).label("address"),
        func.count().filter(mine).label("account"),
        func.min(SignInAttempt.at).label("oldest"),
    ).where(mine | here)
    found = (await session.execute(counted)).one()
    per_address = PER_LOOPBACK if _is_loopback(address) else PER_ADDRESS
    if found.pair >= PER_PAIR or found.address >= per_address or found.account >= PER_ACCOUNT:
        raise ProblemError("rate_limited", retry_after_s=max(1.0, (found.oldest + WINDOW - now).total_seconds()))
    row = {"id": new_id(), "account_key": key, "address": address, "at": now}
    await session.execute(insert(SignInAttempt).values(row))


async def succeed(session: AsyncSession, email: str, address: str) -> None:
    """Forget the tries of this account from this address: it has signed in."""
    mine = (SignInAttempt.account_key == _key(email)) & (SignInAttempt.address == address)
    await session.execute(delete(SignInAttempt).where(mine))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
