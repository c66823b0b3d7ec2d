"""Keys for whoever a test needs to be."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

from backend.accounts.service import ensure_staff
from backend.accounts.tokens import TokenService, subject_id
from backend.clock import Clock, SystemClock
from backend.db import Database
from backend.settings import Settings


class Tokens:
    """Mints tokens of one installation; `bearer` makes the header of one."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings, self._clock = settings, clock or SystemClock()
        self.service_ = TokenService.from_settings(settings, self._clock)

    def driver(self, sub: UUID | str | None = None, *, trip: UUID | str | None = None, ttl_s: float = 3600) -> str:
        """A driver's key."""
        return self.service_.mint("driver", sub or uuid4(), trip=trip, ttl_s=ttl_s)

    def customer(self, sub: UUID | str | None = None, *, trip: UUID | str | None = None, ttl_s: float = 3600) -> str:
        """A rider's key."""
        return self.service_.mint("customer", sub or uuid4(), trip=trip, ttl_s=ttl_s)

    def service(self, sub: str = "platform", *, ttl_s: float = 3600) -> str:
        """The platform's key."""
        return self.service_.mint("service", sub, ttl_s=ttl_s)

    def staff(self, role: str = "lead", sub: str | None = None, *, ttl_s: float = 3600) -> str:
        """The key of a staff account, which is made when it is missing; `sub` defaults to the role."""
        name = sub or role
        with ThreadPoolExecutor(1) as aside:  # the caller may be inside a running loop
            aside.submit(asyncio.run, self._ensure(name, role)).result()
        return self.service_.mint("staff", name, staff_role=role, name=name, ttl_s=ttl_s)

    async def _ensure(self, name: str, role: str) -> None:
        db = Database(self._settings.database)
        try:
            async with db.session() as session:
                await ensure_staff(session, self._clock, subject_id(name), name, role)
                await session.commit()
        finally:
            await db.close()


def bearer(token: str) -> dict[str, str]:
    """The header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}
