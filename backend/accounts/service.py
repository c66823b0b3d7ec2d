"""The only writer of people, staff accounts and what was revoked."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import STAFF_ROLES, Caller
from backend.accounts.models import AppUser, RevokedToken, StaffAccount, WsTicket
from backend.clock import Clock
from backend.db import new_id
from backend.errors import ProblemError
from backend.keys import Keyring

TICKET_LIFE_S = 30
#: Argon2id with the library's defaults (RFC 9106, second recommended profile).
_HASHER = PasswordHasher()


@functools.cache
def _nobody() -> str:
    """Checked when there is no such account, so that the answer takes as long as for one that exists."""
    return _HASHER.hash("nobody")


class UserProfile(msgspec.Struct, kw_only=True):
    """What the platform says of a person; `None` leaves what is known."""

    name: str | None = None
    locale: str | None = None
    phone: str | None = None
    rating: float | None = None
    emergency_contacts: list[Any] | None = None


async def save_user(session: AsyncSession, keyring: Keyring, clock: Clock, user_id: UUID, profile: UserProfile) -> None:
    """Create or change a person. Telephone numbers and contacts are sealed before they reach a row."""
    sealer = keyring.sealer("contact")
    values: dict[str, Any] = {"updated_at": clock.now()}
    for name in ("name", "locale", "rating"):
        if getattr(profile, name) is not None:
            values[name] = getattr(profile, name)
    if profile.phone is not None:
        values["phone_sealed"] = sealer.seal(profile.phone.encode(), user_id.bytes)
    if profile.emergency_contacts is not None:
        values["emergency_contacts_sealed"] = sealer.seal(
            msgspec.json.encode(profile.emergency_contacts), user_id.bytes
        )
    fresh: dict[str, Any] = {"name": "", "locale": "en", **values, "id": user_id}
    await session.execute(insert(AppUser).values(fresh).on_conflict_do_update(index_elements=["id"], set_=values))


async def suspend_user(session: AsyncSession, clock: Clock, user_id: UUID, until: datetime | None) -> None:
    """Close chat to a person until `until`; None ends a suspension."""
    await session.execute(
        insert(AppUser)
        .values(id=user_id, name="", locale="en", suspended_until=until, updated_at=clock.now())
        .on_conflict_do_update(index_elements=["id"], set_={"suspended_until": until})
    )


async def revoke_tokens(session: AsyncSession, clock: Clock, user_id: UUID) -> datetime:
    """Take back every token of a person made until now; returns the moment."""
    now = clock.now()
    await session.execute(
        insert(AppUser)
        .values(id=user_id, name="", locale="en", tokens_valid_from=now, updated_at=now)
        .on_conflict_do_update(index_elements=["id"], set_={"tokens_valid_from": now})
    )
    return now


async def revoke_token(session: AsyncSession, clock: Clock, caller: Caller) -> None:
    """Take back one token."""
    await session.execute(
        insert(RevokedToken)
        .values(token_id=caller.token_id, revoked_at=clock.now(), expires_at=caller.expires_at)
        .on_conflict_do_nothing()
    )


async def create_staff(
    session: AsyncSession,
    clock: Clock,
    *,
    email: str,
    name: str,
    role: str,
    password: str | None,
    account_id: UUID | None = None,
) -> StaffAccount:
    """A new staff account. Raises `invalid_value` for an unknown role, `conflict` for a known address."""
    address = email.strip().lower()
    if role not in STAFF_ROLES:
        raise ProblemError("invalid_value", f"There is no role {role!r}; there are {', '.join(STAFF_ROLES)}.")
    if (await session.execute(select(StaffAccount.id).where(StaffAccount.email == address))).first():
        raise ProblemError("conflict", "There is already an account with this address.")
    account = StaffAccount(
        id=account_id or new_id(),
        email=address,
        name=name,
        role=role,
        password_hash=await asyncio.to_thread(_HASHER.hash, password) if password else None,
        active=True,
        created_at=clock.now(),
    )
    session.add(account)
    await session.flush()
    return account


async def ensure_staff(session: AsyncSession, clock: Clock, account_id: UUID, label: str, role: str) -> StaffAccount:
    """The account with this id, made when missing (for development tokens); its role follows `role`."""
    account = await session.get(StaffAccount, account_id)
    if account is None:
        email = label if "@" in label else f"{label}@staff.local"
        return await create_staff(
            session, clock, email=email, name=label, role=role, password=None, account_id=account_id
        )
    account.role = role
    return account


async def set_password(session: AsyncSession, account_id: UUID, password: str) -> None:
    """Replace a password."""
    hashed = await asyncio.to_thread(_HASHER.hash, password)
    await session.execute(update(StaffAccount).where(StaffAccount.id == account_id).values(password_hash=hashed))


async def check_password(account: StaffAccount | None, password: str) -> bool:
    """Whether the password is right; takes the same time whether or not there is such an account."""
    stored = account.password_hash if account and account.password_hash else await asyncio.to_thread(_nobody)
    try:
        await asyncio.to_thread(_HASHER.verify, stored, password[:1024])
    except (VerificationError, InvalidHashError):
        return False
    return account is not None and account.password_hash is not None


async def note_sign_in(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Remember when somebody last signed in."""
    await session.execute(update(StaffAccount).where(StaffAccount.id == account_id).values(last_sign_in_at=clock.now()))


async def issue_ticket(session: AsyncSession, clock: Clock, caller: Caller, trip_id: UUID) -> str:
    """A single-use ticket for the socket of `trip_id`, good for 30 seconds. Old ones are cleared on the way."""
    # The end of the token travels in the ticket: its hash is what is stored, so nobody can move it.
    ticket = f"{secrets.token_urlsafe(32)}.{int(caller.expires_at.timestamp())}"
    now = clock.now()
    await session.execute(delete(WsTicket).where(WsTicket.expires_at < now))
    session.add(
        WsTicket(
            ticket_hash=hashlib.sha256(ticket.encode()).digest(),
            user_id=caller.id,
            role=caller.role,
            trip_id=trip_id,
            token_id=caller.token_id,
            token_issued_at=caller.issued_at,
            expires_at=now + timedelta(seconds=TICKET_LIFE_S),
        )
    )
    return ticket


async def redeem_ticket(session: AsyncSession, clock: Clock, ticket: str, trip_id: UUID) -> Caller:
    """Who may enter with this ticket; it cannot be used again. Raises `ticket_invalid`."""
    removed = await session.execute(
        delete(WsTicket)
        .where(WsTicket.ticket_hash == hashlib.sha256(ticket.encode()).digest())
        .returning(
            WsTicket.user_id,
            WsTicket.role,
            WsTicket.trip_id,
            WsTicket.token_id,
            WsTicket.token_issued_at,
            WsTicket.expires_at,
        )
    )
    row = removed.first()
    if row is None or row.trip_id != trip_id or row.expires_at < clock.now():
        raise ProblemError("ticket_invalid")
    return Caller(
        role=row.role,
        id=row.user_id,
        token_id=row.token_id,
        issued_at=row.token_issued_at,
        expires_at=datetime.fromtimestamp(int(ticket.rpartition(".")[2]), UTC),
        trip_id=trip_id,
    )
