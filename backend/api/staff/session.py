"""Signing in and out, and who one is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from backend.accounts import sign_ins
from backend.accounts.access import access_staff_by_email
from backend.accounts.caller import Caller
from backend.accounts.models import StaffAccount
from backend.accounts.service import check_password, note_sign_in, revoke_token
from backend.api.guards import open_to_all
from backend.api.limits import holder_of_address
from backend.api.staff.roles import staff_may_watch
from backend.audit import Entry
from backend.errors import ProblemError
from backend.pipeline.services import Services

#: A shift. Leaving earlier is signing out, which revokes the token.
TOKEN_LIFE_S = 12 * 3600


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person types."""

    email: Annotated[str, Meta(min_length=3, max_length=320)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class AccountView(msgspec.Struct, frozen=True):
    """A person of staff."""

    id: UUID
    email: str
    name: str
    role: str


class SessionView(msgspec.Struct, frozen=True):
    """A signed-in session: send `token` as Bearer."""

    token: str
    expires_at: datetime
    account: AccountView


def account_view(account: StaffAccount) -> AccountView:
    """The account without anything secret."""
    return AccountView(account.id, account.email, account.name, account.role)


@post("/session", guards=[open_to_all], status_code=201)
async def sign_in(
    data: JSONBody[SignIn], request: Request[Any, Any, Any], services: NamedDependency[Services]
) -> SessionView:
    """Sign in with a local account; a wrong address and a wrong password answer alike, and in the same time."""
    address = request.client.host if request.client else "unknown"
    async with services.db.session() as session:
        await sign_ins.begin(session, services.clock, data.email, holder_of_address(address))
        account = await access_staff_by_email(session, data.email)
        await session.commit()
    if account is None or not await check_password(account, data.password):
        if account is None:
            await check_password(None, data.password)
        await _refused(services, account, address)
        raise ProblemError("sign_in_failed")
    async with services.db.session() as session:
        await sign_ins.succeed(session, data.email, holder_of_address(address))
        await note_sign_in(session, services.clock, account.id)
        await services.audit.append(session, _entry("staff.signed_in", account, address))
        await session.commit()
    token = services.tokens.mint("staff", account.id, staff_role=account.role, name=account.name, ttl_s=TOKEN_LIFE_S)
    return SessionView(token, services.clock.now() + timedelta(seconds=TOKEN_LIFE_S), account_view(account))


async def _refused(services: Services, account: StaffAccount | None, address: str) -> None:
    async with services.db.session() as session:
        await services.audit.append(session, _entry("staff.sign_in_failed", account, address))
        await session.commit()


def _entry(event: str, account: StaffAccount | None, address: str) -> Entry:
    """Sealed under the account's own audit key; a try on an address that is nobody's goes under `sign-in`."""
    who = account.id if account else None
    return Entry(event=event, staff_id=who, subject=str(who or "sign-in"), private={"address": address})


@delete("/session", guards=[staff_may_watch], status_code=204)
async def sign_out(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> None:
    """Revoke the token that this call came with."""
    async with services.db.session() as session:
        await revoke_token(session, services.clock, caller)
        entry = Entry(event="staff.signed_out", staff_id=caller.id, subject=str(caller.id))
        await services.audit.append(session, entry)
        await session.commit()
    services.hub.control("token_revoked", user_id=caller.id, token_id=caller.token_id)


@get("/me", guards=[staff_may_watch])
async def me(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> AccountView:
    """The account behind the token."""
    async with services.db.session() as session:
        account = await session.get(StaffAccount, caller.id)
    if account is None:
        raise ProblemError("not_authenticated")
    return account_view(account)


router = Router(path="/api/staff", route_handlers=[sign_in, sign_out, me], tags=["staff: session"])
