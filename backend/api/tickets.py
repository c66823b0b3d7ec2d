"""Single-use tickets for the socket."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from backend.accounts.caller import Caller
from backend.accounts.service import TICKET_LIFE_S, issue_ticket
from backend.api.guards import participants_only
from backend.pipeline.services import Services


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


router = Router("/", route_handlers=[make_ticket])
