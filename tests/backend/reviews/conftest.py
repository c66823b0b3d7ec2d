"""A desk on real engines: services with a clock that is moved, trips, and reviewers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from backend.bootstrap import build
from backend.clock import MovableClock
from backend.pipeline.sending import Outgoing
from backend.pipeline.services import Services
from backend.reviews import claims
from backend.reviews.models import ReviewCase
from backend.reviews.service import open_case
from backend.reviews.severity import CaseKind, Severity
from backend.settings import Settings
from backend.trips.service import Person, TripFacts

TRUNCATE = "TRUNCATE review_case, case_signal, case_claim, case_decision, enforcement, trip_access"


@dataclass(frozen=True)
class Desk:
    """What a test of the desk needs, in sentences."""

    services: Services
    clock: MovableClock

    async def trip(self, *, status: str = "in_transit", market: str = "default") -> UUID:
        """A trip of two people whom nobody else knows."""
        trip_id = uuid4()
        facts = TripFacts(
            market=market,
            status=status,
            driver=Person(id=uuid4(), name="Dana"),
            customer=Person(id=uuid4(), name="Kim"),
        )
        async with self.services.db.session() as session:
            await self.services.trips.save(session, trip_id, facts)
            await session.commit()
        return trip_id

    async def say(self, trip_id: UUID, text: str) -> None:
        """The driver of this trip writes."""
        trip = await self.services.views.access_view(self.services.pool, trip_id)
        token = self.services.tokens.mint("driver", trip.driver_id)
        await self.services.sender.send(self.services.tokens.verify(token), trip_id, Outgoing(content=text))

    async def signal(
        self,
        trip_id: UUID,
        severity: Severity = "medium",
        *,
        kind: CaseKind = "message",
        reasons: tuple[str, ...] = ("keyword_insult",),
        about: UUID | None = None,
    ) -> UUID:
        """A signal on a message of this trip; returns the case that it is in."""
        async with self.services.db.session() as session:
            case_id = await open_case(
                session,
                self.services.audit,
                self.clock,
                trip_id=trip_id,
                kind=kind,
                severity=severity,
                reasons=reasons,
                message_id=uuid4(),
                about_user_id=about or uuid4(),
                verdict={"outcome": "quarantine", "labels": {}},
            )
            await session.commit()
        return case_id

    async def claim_next(self, account_id: UUID, staff_role: str = "moderator") -> ReviewCase | None:
        """The next case for this reviewer."""
        async with self.services.db.session() as session:
            found = await claims.claim_next(
                session, self.services.audit, self.clock, account_id=account_id, staff_role=staff_role
            )
            await session.commit()
        return found

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """What the database holds."""
        return await self.services.pool.fetch(query, *values)


@pytest.fixture
async def desk(settings: Settings) -> AsyncGenerator[Desk]:
    """A desk whose queue is empty at the start of each test."""
    clock = MovableClock()
    async with build(settings, clock=clock) as services:
        await services.pool.execute(TRUNCATE)
        await services.pool.execute("UPDATE trip SET ended_at = now()")
        yield Desk(services, clock)
