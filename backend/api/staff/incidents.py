"""Emergencies for the desk: the board, one incident, what a responder does about it, what simulated phones heard."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from backend.accounts.caller import Caller
from backend.api.staff.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.api.staff.roles import staff_may_decide, staff_may_watch
from backend.errors import ProblemError
from backend.escalation import service
from backend.escalation.access import IncidentView, access_incident, access_incidents
from backend.escalation.acknowledging import acknowledge
from backend.escalation.hanging_up import notify_others
from backend.pipeline.services import Services

Words = Annotated[str, Meta(min_length=1, max_length=2_000)]
Status = Literal["triggered", "acknowledged", "resolved"]
SIMULATOR_TIMEOUT_S = 1.0


class Taking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Taking an incident, with a note for the timeline."""

    note: Words | None = None


class NoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words for the timeline."""

    note: Words


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of an incident. Level: 0 false, 1 mistake, 2 minor, 3 serious, 4 life in danger."""

    reason: Words
    level: Annotated[int, Meta(ge=0, le=4)]
    callback_attempted: bool


def _fit_for(caller: Caller, view: IncidentView) -> IncidentView:
    """A viewer sees what goes on, but nobody's words."""
    if caller.staff_role != "viewer":
        return view
    lines = [msgspec.structs.replace(line, note=None) for line in view.timeline]
    return msgspec.structs.replace(view, note=None, reason=None, timeline=lines)


@get("/incidents", guards=[staff_may_watch])
async def list_incidents(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    status: Annotated[Status | None, QueryParameter()] = None,
    trip_id: Annotated[UUID | None, QueryParameter()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[IncidentView]:
    """Newest first."""
    before = key_of(cursor, tuple[datetime, UUID])
    async with services.db.session() as session:
        items = await access_incidents(
            session, services, status=status, trip_id=trip_id, before=before, limit=limit + 1
        )
    more = len(items) > limit
    items = [_fit_for(caller, item) for item in items[:limit]]
    return Page(items, cursor_of((items[-1].triggered_at, items[-1].id)) if more else None)


@get("/incidents/{incident_id:uuid}", guards=[staff_may_watch])
async def get_incident(
    services: NamedDependency[Services], caller: NamedDependency[Caller], incident_id: FromPath[UUID]
) -> IncidentView:
    """One incident with its attempts and timeline."""
    async with services.db.session() as session:
        return _fit_for(caller, await access_incident(session, services, incident_id))


@post("/incidents/{incident_id:uuid}/acknowledge", guards=[staff_may_decide], status_code=200)
async def acknowledge_incident(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    incident_id: FromPath[UUID],
    data: JSONBody[Taking],
) -> IncidentView:
    """Take an incident. The first one wins; a later one hears who has it (409). Its holder renews the lease."""
    async with services.db.session() as session:
        answer = await acknowledge(services, session, incident_id, caller.id, "console", None)
        if answer is None:
            raise ProblemError("not_found")
        if answer.won and data.note:
            await service.add_note(services, session, incident_id, caller.id, data.note)
        await session.commit()
        view = await access_incident(session, services, incident_id)
    services.hub.ring_staff("incidents")
    await notify_others(services, list(answer.hang_up))
    if not answer.won:
        if answer.status == "resolved":
            raise ProblemError("incident_resolved")
        raise ProblemError("conflict", f"{answer.holder} already has this emergency.", holder=answer.holder)
    return view


@post("/incidents/{incident_id:uuid}/notes", guards=[staff_may_decide], status_code=201)
async def note_on_incident(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    incident_id: FromPath[UUID],
    data: JSONBody[NoteBody],
) -> IncidentView:
    """Add a note; an act, so it renews the lease of the acknowledgement."""
    async with services.db.session() as session:
        await service.add_note(services, session, incident_id, caller.id, data.note)
        await session.commit()
        view = await access_incident(session, services, incident_id)
    services.hub.ring_staff("incidents")
    return view


@post("/incidents/{incident_id:uuid}/resolve", guards=[staff_may_decide], status_code=200)
async def resolve_incident(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    incident_id: FromPath[UUID],
    data: JSONBody[Resolution],
) -> IncidentView:
    """End an incident: needs what happened, a level, and that the person was tried to be called back."""
    if not data.reason.strip():
        raise ProblemError("invalid_value", "Say what happened and how it ended.")
    if not data.callback_attempted:
        raise ProblemError("invalid_value", "An emergency is closed only after a callback was tried.")
    async with services.db.session() as session:
        calls = await service.resolve(
            services, session, incident_id, caller.id, reason=data.reason.strip(), level=data.level
        )
        await session.commit()
        view = await access_incident(session, services, incident_id)
    services.hub.ring_staff("incidents")
    await notify_others(services, list(calls))
    return view


@get("/simulated-phones", guards=[staff_may_watch])
async def list_simulated_phones(services: NamedDependency[Services]) -> list[dict[str, Any]]:
    """What each simulated phone heard. Raises `not_available` where real phones ring."""
    base = services.settings.twilio.api_base
    if not base:
        raise ProblemError("not_available")
    try:
        async with httpx.AsyncClient(timeout=SIMULATOR_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(base.rstrip("/") + "/_control/phones")
            answer.raise_for_status()
            return answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ProblemError("not_available", "The telephone simulator does not answer.") from error


router = Router(
    path="/api/staff",
    route_handlers=[
        list_incidents,
        get_incident,
        acknowledge_incident,
        note_on_incident,
        resolve_incident,
        list_simulated_phones,
    ],
    tags=["staff: incidents"],
)
