"""Single-use tickets for the socket, and who of staff has opened a trip."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from backend.accounts.caller import Caller
from backend.accounts.service import TICKET_LIFE_S, issue_ticket
from backend.api.guards import participants_only
from backend.pipeline.services import Services
from backend.reviews.access import access_trip_openings

_COVERT_CALL_OF_ANOTHER = """
SELECT EXISTS (SELECT 1 FROM incident WHERE trip_id = $1 AND covert AND reporter_id <> $2)
"""


class TicketBody(msgspec.Struct, rename="camel", kw_only=True):
    """For which trip."""

    trip_id: UUID


class Ticket(msgspec.Struct, rename="camel", kw_only=True):
    """Put it into the first frame of the socket."""

    ticket: str
    expires_in: int


@post("/api/ws-tickets", guards=[participants_only], tags=["sockets"])
async def make_ticket(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[TicketBody]
) -> Ticket:
    """A ticket for the socket of one trip: once, within 30 seconds."""
    await services.views.access_own(services.pool, caller, data.trip_id)
    async with services.db.session() as session:
        ticket = await issue_ticket(session, services.clock, caller, data.trip_id)
        await session.commit()
    return Ticket(ticket=ticket, expires_in=TICKET_LIFE_S)


@get("/api/trips/{trip_id:uuid}/access-history", guards=[participants_only], tags=["trips"])
async def access_history(
    services: NamedDependency[Services], caller: NamedDependency[Caller], trip_id: FromPath[UUID]
) -> dict[str, Any]:
    """Who of staff opened this conversation, when, and for which purpose."""
    await services.views.access_own(services.pool, caller, trip_id)
    async with services.db.session() as session:
        openings = await access_trip_openings(session, trip_id)
    if await services.pool.fetchval(_COVERT_CALL_OF_ANOTHER, trip_id, caller.id):
        # An emergency in this list would tell the danger that help was called.
        openings = [opening for opening in openings if opening.purpose != "emergency"]
    return {"items": openings}


router = Router("/", route_handlers=[make_ticket, access_history])
