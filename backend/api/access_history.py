"""Who of staff opened what of a trip, and why: for the people whose words they are."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.accounts.caller import Caller
from backend.api.guards import participants_only
from backend.api.staff.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of, key_of
from backend.pipeline.services import Services
from backend.reviews.access import TripOpening, access_trip_openings

#: Bytes of a pseudonym: enough to tell the few who open one trip apart.
PSEUDONYM_BYTES = 4
_COVERT_CALL_OF_ANOTHER = """
SELECT EXISTS (SELECT 1 FROM incident WHERE trip_id = $1 AND covert AND reporter_id <> $2)
"""


class Opening(msgspec.Struct, frozen=True, rename="camel"):
    """One time that somebody of staff opened something of the trip; looking again within minutes is the same time."""

    who: str
    """Not a name: the same for the same person within this trip, and another one in every other trip."""
    role: str
    """`moderator`, `lead`, `compliance` or `admin`."""
    what: Literal["conversation"]
    purpose: str
    """`safety_review`, `emergency`, `complaint`, `dispute` or `training`."""
    at: datetime


@get("/api/trips/{trip_id:uuid}/access-history", guards=[participants_only], tags=["trips"])
async def access_history(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromPath[UUID],
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Opening]:
    """Who of staff opened this conversation, when, and for which purpose, newest first.

    Every opening is recorded before a word is shown. To read this list is no opening. While a covert call for help of
    the other side stands, what staff open because of it is not listed.
    """
    await services.views.access_own(services.pool, caller, trip_id)
    after = key_of(cursor, tuple[datetime, UUID])
    # An emergency in this list would tell the danger that help was called.
    covert = await services.pool.fetchval(_COVERT_CALL_OF_ANOTHER, trip_id, caller.id)
    async with services.db.session() as session:
        found = await access_trip_openings(
            session, trip_id, without="emergency" if covert else None, after=after, limit=limit + 1
        )
    shown = found[:limit]
    more = cursor_of((shown[-1].at, shown[-1].id)) if len(found) > limit else None
    return Page([_opening(services, trip_id, one) for one in shown], more)


def _opening(services: Services, trip_id: UUID, found: TripOpening) -> Opening:
    mac = services.keyring.sealer("access-history").mac(trip_id.bytes + found.account_id.bytes)
    return Opening(f"staff-{mac[:PSEUDONYM_BYTES].hex()}", found.role, "conversation", found.purpose, found.at)


router = Router("/", route_handlers=[access_history])
