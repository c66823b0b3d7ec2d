"""A traveller's record and the staff's own accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.accounts.models import AppUser, StaffAccount
from backend.accounts.service import create_staff
from backend.api.staff.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.api.staff.roles import staff_may_manage_accounts, staff_may_open_conversations
from backend.audit import Entry
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.reviews.access import CaseView, EnforcementView, access_cases_about, access_enforcements
from backend.trips.models import Trip

LAST_TRIPS = 20


class UserView(msgspec.Struct, frozen=True):
    """A driver or rider; never a telephone number."""

    id: UUID
    name: str
    locale: str
    rating: float | None
    suspended_until: datetime | None


class PersonTrip(msgspec.Struct, frozen=True):
    """One of a person's trips and which side they were."""

    trip_id: UUID
    market: str
    status: str
    role: str
    created_at: datetime
    ended_at: datetime | None


class PersonView(msgspec.Struct, frozen=True):
    """A person's record: enforcement, cases about them, their last trips."""

    user: UserView
    enforcements: list[EnforcementView]
    cases: list[CaseView]
    trips: list[PersonTrip]


class StaffView(msgspec.Struct, frozen=True):
    """An account as administrators see it."""

    id: UUID
    email: str
    name: str
    role: str
    active: bool
    created_at: datetime
    last_sign_in_at: datetime | None


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person who joins the team."""

    email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    role: str
    password: Annotated[str, Meta(min_length=12, max_length=1024)]


@get("/people/{user_id:uuid}", guards=[staff_may_open_conversations])
async def person(
    services: NamedDependency[Services], caller: NamedDependency[Caller], user_id: FromPath[UUID]
) -> PersonView:
    """A traveller's record. Opening it is audited."""
    now = services.clock.now()
    async with services.db.session() as session:
        user = await session.get(AppUser, user_id)
        trips = await _trips(session, user_id)
        if user is None and not trips:
            raise ProblemError("not_found")
        view = PersonView(
            user=_user(user, user_id),
            enforcements=await access_enforcements(session, user_id, now),
            cases=await access_cases_about(session, user_id, now),
            trips=trips,
        )
        entry = Entry(event="person.opened", person_id=user_id, staff_id=caller.id)
        await services.audit.append(session, entry)
        await session.commit()
    return view


def _user(user: AppUser | None, user_id: UUID) -> UserView:
    if user is None:
        return UserView(user_id, "", "", None, None)
    return UserView(user.id, user.name, user.locale, user.rating, user.suspended_until)


async def _trips(session: AsyncSession, user_id: UUID) -> list[PersonTrip]:
    rows = await session.scalars(
        select(Trip)
        .where(or_(Trip.driver_id == user_id, Trip.customer_id == user_id))
        .order_by(Trip.created_at.desc(), Trip.id)
        .limit(LAST_TRIPS)
    )
    return [
        PersonTrip(
            trip.id,
            trip.market,
            trip.status,
            "driver" if trip.driver_id == user_id else "customer",
            trip.created_at,
            trip.ended_at,
        )
        for trip in rows
    ]


@get("/accounts", guards=[staff_may_manage_accounts])
async def list_accounts(
    services: NamedDependency[Services], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[StaffView]:
    """Staff by e-mail address."""
    after = key_of(cursor, tuple[str])
    query = select(StaffAccount).order_by(StaffAccount.email).limit(limit + 1)
    if after is not None:
        query = query.where(StaffAccount.email > after[0])
    async with services.db.session() as session:
        found = [_staff(row) for row in (await session.scalars(query)).all()]
    page = found[:limit]
    return Page(page, cursor_of((page[-1].email,)) if len(found) > limit else None)


@post("/accounts", guards=[staff_may_manage_accounts], status_code=201)
async def add_account(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[NewAccount]
) -> StaffView:
    """A new local account."""
    async with services.db.session() as session:
        account = await create_staff(
            session,
            services.clock,
            email=data.email,
            name=data.name,
            role=data.role,
            password=data.password,
        )
        entry = Entry(event="staff.created", outcome=account.role, staff_id=caller.id, subject=str(account.id))
        await services.audit.append(session, entry)
        view = _staff(account)
        await session.commit()
    return view


def _staff(row: StaffAccount) -> StaffView:
    return StaffView(row.id, row.email, row.name, row.role, row.active, row.created_at, row.last_sign_in_at)


router = Router(
    path="/api/staff",
    route_handlers=[person, list_accounts, add_account],
    tags=["staff: people"],
)
