"""Which roles of staff may do what. One place, so that the matrix in backend/README.md can be read off.

Whoever is refused with a good token leaves an entry `access.denied` in the log.
"""

from __future__ import annotations

from typing import Any

from litestar.handlers import BaseRouteHandler
from redis.exceptions import RedisError

from backend.api.guards import Connection, caller_of, services_of, staff_only, staff_role_at_least
from backend.audit import Entry
from backend.errors import ProblemError

#: One entry per caller and route in this many seconds: a script that hammers a door must not fill the log.
DENIED_REST_S = 60


def _on_the_record(guard: Any) -> Any:
    """The same guard, whose refusals are entries in the log."""

    async def recorded(connection: Connection, handler: BaseRouteHandler) -> None:
        try:
            await guard(connection, handler)
        except ProblemError as error:
            if error.code == "forbidden":
                await _record_denial(connection, str(handler.handler_name))
            raise

    return recorded


async def _record_denial(connection: Connection, route: str) -> None:
    services, caller = services_of(connection), caller_of(connection)
    try:
        if not await services.redis.set(f"tw:denied:{caller.id}:{route}", 1, nx=True, ex=DENIED_REST_S):
            return
    except RedisError:
        pass  # the bell is away: rather one entry too many than none
    staff = caller.role == "staff"
    entry = Entry(
        event="access.denied",
        outcome=caller.staff_role or caller.role,
        person_id=None if staff else caller.id,
        staff_id=caller.id if staff else None,
        subject=str(caller.id),
        private={"route": route},
    )
    async with services.db.session() as session:
        await services.audit.append(session, entry)
        await session.commit()


#: Live trips, the queue without text, templates, the live state: every active account.
staff_may_watch = _on_the_record(staff_only)
#: Somebody's words, a person's record.
staff_may_open_conversations = _on_the_record(staff_role_at_least("moderator", "compliance"))
#: Claims and decisions; drafting templates.
staff_may_decide = _on_the_record(staff_role_at_least("moderator"))
#: What every phone shows.
staff_may_publish = _on_the_record(staff_role_at_least("lead"))
#: The log.
staff_may_audit = _on_the_record(staff_role_at_least("lead", "compliance"))
#: Accounts of staff.
staff_may_manage_accounts = _on_the_record(staff_role_at_least("admin"))
