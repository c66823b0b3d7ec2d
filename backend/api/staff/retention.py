"""Retention for those who answer for it: schedules, legal holds, runs, reports."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.caller import Caller
from backend.accounts.models import StaffAccount
from backend.api.guards import staff_role_at_least
from backend.api.staff.paging import Page
from backend.errors import ProblemError
from backend.pipeline.services import Services
from backend.records.desk import desk_of, tell_moved
from backend.records.due import send_run
from backend.records.reporting import make_report
from backend.records.service import HoldDraft
from retention.holds import LegalHold
from retention.models import HoldRow, RunRow
from retention.reports import as_csv, as_json
from retention.schedule import RetentionRule, RetentionSchedule

staff_may_keep_records = staff_role_at_least("lead", "compliance")
#: Runs in a list, the newest first.
RUNS = 100

Days = Annotated[int, msgspec.Meta(ge=0, le=10_957)]
Basis = Annotated[str, msgspec.Meta(min_length=3, max_length=500)]
First = Annotated[date, QueryParameter(name="from", description="First day, UTC.")]
Last = Annotated[date, QueryParameter(name="to", description="Last day, UTC, included.")]


class ScheduleLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a market's schedule in force; days are counted from a trip's latest end."""

    market: str
    record_class: str
    minimum_days: int
    maximum_days: int
    basis: str
    regulator_reference: str
    disposition: str
    version: int
    updated_at: datetime | None


class RuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it should be."""

    minimum_days: Days
    maximum_days: Days
    basis: Basis
    regulator_reference: Annotated[str, msgspec.Meta(max_length=200)] = ""


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A disposition run, or a dry run; counts are rows. `expected`: what the last four weeks made likely."""

    id: UUID
    dry_run: bool
    kind: str
    status: str
    for_date: date
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    expected: float | None
    approvals: list[str]


class RunWish(msgspec.Struct, frozen=True):
    """`dry_run`: count only, change nothing."""

    dry_run: bool


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold; one of `trip_id`, `user_id`, `case_id`, `market` says what it is on."""

    id: UUID
    scope: str
    reason: str
    trip_id: str | None
    user_id: str | None
    case_id: str | None
    market: str | None
    review_on: date | None
    placed_at: datetime
    placed_by: str | None
    released_at: datetime | None
    released_by: str | None


class HoldWish(msgspec.Struct, frozen=True, kw_only=True):
    """A hold to place: its scope (`trip`, `user`, `case`, `market`), what it is on, and the reason."""

    scope: Literal["trip", "user", "person", "case", "market"]
    reason: Basis
    trip_id: UUID | None = None
    user_id: UUID | None = None
    case_id: UUID | None = None
    market: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    review_on: date | None = None


class ReleaseWish(msgspec.Struct, frozen=True):
    """Why a hold ends."""

    reason: Basis


@get("/schedules", guards=[staff_may_keep_records])
async def list_schedules(services: NamedDependency[Services]) -> Page[ScheduleLine]:
    """Every line of every market's schedule in force."""
    async with services.db.session() as session:
        found = await desk_of(services).standing.schedules(session)
    return Page([_line(schedule, rule) for _, schedule in sorted(found.items()) for rule in schedule.rules])


@put("/schedules/{market:str}/{record_class:str}", guards=[staff_may_keep_records])
async def save_schedule(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    market: FromPath[str],
    record_class: FromPath[str],
    data: JSONBody[RuleChange],
) -> ScheduleLine:
    """A new version of a market's schedule with this line; trips made from now on follow it."""
    try:
        rule = RetentionRule(record_class, data.minimum_days, data.maximum_days, data.basis, data.regulator_reference)
    except ValueError as error:
        raise ProblemError("invalid_value", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    async with services.db.session() as session:
        schedule = await desk_of(services).save_rule(session, market, rule, caller.id)
        await session.commit()
    return _line(schedule, rule)


@get("/runs", guards=[staff_may_keep_records])
async def list_runs(services: NamedDependency[Services]) -> Page[RunView]:
    """The newest runs, dry ones too."""
    async with services.db.session() as session:
        rows = await session.scalars(select(RunRow).order_by(RunRow.started_at.desc(), RunRow.id.desc()).limit(RUNS))
        return Page([_run(row) for row in rows])


@post("/runs", guards=[staff_may_keep_records], status_code=201)
async def start_run(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[RunWish]
) -> RunView:
    """Plan what is due now. A dry run ends with that; another one goes on in a worker."""
    async with services.db.session() as session:
        run = await desk_of(services).start(session, "dry" if data.dry_run else "manual", account_id=caller.id)
        view = _run(run)
        await session.commit()
    await _go_on(services, view)
    return view


@post("/runs/{run_id:uuid}/approve", guards=[staff_may_keep_records], status_code=200)
async def approve_run(
    services: NamedDependency[Services], caller: NamedDependency[Caller], run_id: FromPath[UUID]
) -> RunView:
    """One of the two approvals of a run that is far from the usual."""
    async with services.db.session() as session:
        view = _run(await desk_of(services).approve(session, run_id, caller.id))
        await session.commit()
    await _go_on(services, view)
    return view


@get("/holds", guards=[staff_may_keep_records])
async def list_holds(services: NamedDependency[Services]) -> Page[HoldView]:
    """Every hold, the newest first, released ones too."""
    async with services.db.session() as session:
        rows = list(await session.scalars(select(HoldRow).order_by(HoldRow.placed_at.desc(), HoldRow.id.desc())))
        names = await _names(session, rows)
    return Page([_hold(row, names) for row in rows])


@post("/holds", guards=[staff_may_keep_records], status_code=201)
async def place_hold(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[HoldWish]
) -> HoldView:
    """Place a hold: what it covers is not disposed of until it is released."""
    async with services.db.session() as session:
        hold = await desk_of(services).place_hold(session, _draft(data), caller.id)
        view = await _held(session, hold)
        await session.commit()
    return view


@post("/holds/{hold_id:uuid}/release", guards=[staff_may_keep_records], status_code=200)
async def release_hold(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    hold_id: FromPath[UUID],
    data: JSONBody[ReleaseWish],
) -> HoldView:
    """Release a hold: what no other hold covers expires tomorrow, or at its minimum."""
    async with services.db.session() as session:
        hold, moved = await desk_of(services).release_hold(session, hold_id, data.reason, caller.id)
        view = await _held(session, hold)
        await session.commit()
    tell_moved(services, moved)
    return view


@get("/report", guards=[staff_may_keep_records])
async def report(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    first: First,
    last: Last,
    form: Annotated[Literal["json", "csv"], QueryParameter(name="format")] = "json",
) -> Response[bytes]:
    """The report of a period as it is to be filed; taking it away is itself an entry of the log."""
    desk = desk_of(services)
    async with services.db.session() as session:
        made = await make_report(session, desk.standing, services.clock, first, last)
        await desk.note_export(session, first, last, form, caller.id)
        await session.commit()
    media = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    name = f"retention-{first}-{last}.{form}"
    return Response(
        as_csv(made) if form == "csv" else as_json(made),
        media_type=media,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _go_on(services: Services, view: RunView) -> None:
    """Shorten the wait: the sweepers find the run in any case."""
    if view.status == "running":
        await asyncio.to_thread(send_run, services.broker, view.id)


def _line(schedule: RetentionSchedule, rule: RetentionRule) -> ScheduleLine:
    return ScheduleLine(
        market=schedule.market,
        record_class=rule.record_class,
        minimum_days=rule.minimum_days,
        maximum_days=rule.maximum_days,
        basis=rule.basis,
        regulator_reference=rule.regulator_reference,
        disposition="destroy",
        version=schedule.version,
        updated_at=schedule.saved_at,
    )


def _run(row: RunRow) -> RunView:
    return RunView(
        id=row.id,
        dry_run=row.kind == "dry",
        kind=row.kind,
        status=row.status,
        for_date=row.for_date,
        started_at=row.started_at,
        finished_at=row.finished_at,
        counts=row.counts,
        expected=row.expected,
        approvals=row.approvals,
    )


def _draft(data: HoldWish) -> HoldDraft:
    scope = "person" if data.scope == "user" else data.scope
    target = {"trip": data.trip_id, "person": data.user_id, "case": data.case_id, "market": data.market}[scope]
    if target is None:
        raise ProblemError("invalid_value", f"Say which {scope} the hold is on.")
    return HoldDraft(scope, str(target), data.reason, data.review_on)


async def _held(session: AsyncSession, hold: LegalHold) -> HoldView:
    row = await session.get_one(HoldRow, hold.id)
    return _hold(row, await _names(session, [row]))


async def _names(session: AsyncSession, rows: list[HoldRow]) -> dict[UUID, str]:
    ids = {account for row in rows for account in (row.placed_by, row.released_by) if account is not None}
    found = await session.execute(select(StaffAccount.id, StaffAccount.name).where(StaffAccount.id.in_(ids)))
    return {row.id: row.name for row in found}


def _hold(row: HoldRow, names: dict[UUID, str]) -> HoldView:
    def who(account: UUID | None) -> str | None:
        return None if account is None else names.get(account, str(account))

    def on(scope: str) -> str | None:
        return row.target if row.scope == scope else None

    return HoldView(
        id=row.id,
        scope="user" if row.scope == "person" else row.scope,
        reason=row.basis,
        trip_id=on("trip"),
        user_id=on("person"),
        case_id=on("case"),
        market=on("market"),
        review_on=row.review_on,
        placed_at=row.placed_at,
        placed_by=who(row.placed_by),
        released_at=row.released_at,
        released_by=who(row.released_by),
    )


router = Router(
    path="/api/staff/retention",
    route_handlers=[
        list_schedules,
        save_schedule,
        list_runs,
        start_run,
        approve_run,
        list_holds,
        place_hold,
        release_hold,
        report,
    ],
    tags=["staff: retention"],
)
