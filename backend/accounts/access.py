"""Reads made for a caller: is this token still good, is this person suspended."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.accounts.models import StaffAccount
from backend.clock import Clock
from backend.errors import ProblemError

#: A revocation has to bite within two seconds even when the bell is out of order.
FRESH_S = 1.0
REMEMBERED = 20_000
#: Tokens of one person that are remembered at a time.
TOKENS_EACH = 16

_STANDING = """
SELECT u.suspended_until, u.tokens_valid_from, a.active, a.role,
       EXISTS (SELECT 1 FROM revoked_token r WHERE r.token_id = $2) AS revoked
FROM (SELECT $1::uuid AS id) q
LEFT JOIN app_user u ON u.id = q.id LEFT JOIN staff_account a ON a.id = q.id
"""


class Standing(NamedTuple):
    suspended_until: datetime | None
    tokens_valid_from: datetime | None
    active: bool | None
    role: str | None
    revoked: bool
    read_at: float


class Standings:
    """Short memory of how callers stand, so that a busy reader costs one look-up a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[UUID, dict[str, Standing]] = OrderedDict()

    def forget(self, user_id: UUID | None = None) -> None:
        """Drop what is remembered of `user_id`, or everything."""
        if user_id is None:
            self._known.clear()
        else:
            self._known.pop(user_id, None)

    async def access_standing(self, pool: Any, caller: Caller) -> Standing:
        """How the caller stands now; at most `FRESH_S` old. `pool` is the asyncpg pool."""
        known = self._known.get(caller.id, {}).get(caller.token_id)
        if known is not None and time.monotonic() - known.read_at < FRESH_S:
            return known
        row = await pool.fetchrow(_STANDING, caller.id, caller.token_id)
        known = Standing(*row, read_at=time.monotonic())
        tokens = self._known.setdefault(caller.id, {})
        if len(tokens) >= TOKENS_EACH:
            tokens.clear()
        tokens[caller.token_id] = known
        self._known.move_to_end(caller.id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known

    async def check_token(self, pool: Any, caller: Caller) -> Standing:
        """Raise `token_revoked` when the token no longer counts."""
        standing = await self.access_standing(pool, caller)
        stale = standing.tokens_valid_from is not None and caller.issued_at < standing.tokens_valid_from
        if standing.revoked or stale:
            raise ProblemError("token_revoked")
        if caller.role == "staff" and (not standing.active or standing.role != caller.staff_role):
            raise ProblemError("token_revoked", "This staff account is not active, or its role has changed.")
        return standing

    def check_suspension(self, standing: Standing) -> None:
        """Raise `suspended` while a suspension runs."""
        if standing.suspended_until is not None and standing.suspended_until > self._clock.now():
            raise ProblemError("suspended")


async def access_staff_by_email(session: AsyncSession, email: str) -> StaffAccount | None:
    """The active account with this address, in any spelling of its case."""
    found = await session.execute(
        select(StaffAccount).where(StaffAccount.email == email.strip().lower(), StaffAccount.active)
    )
    return found.scalar_one_or_none()
