"""Who may call a route. Deny by default: a route without a guard fails the architecture test."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from backend.accounts.caller import STAFF_RANK, Caller
from backend.errors import ProblemError
from backend.pipeline.services import Services

Connection = ASGIConnection[Any, Any, Any, Any]


def services_of(connection: Connection) -> Services:
    """The services of this process."""
    services: Services = connection.app.state.services
    return services


def caller_of(connection: Connection) -> Caller:
    """Who calls, from the bearer token. Raises `not_authenticated`, `token_expired`."""
    known: Caller | None = connection.scope.get("tw_caller")  # type: ignore[assignment]
    if known is not None:
        return known
    caller = holder_of(connection.headers.get("authorization", ""), services_of(connection))
    connection.scope["tw_caller"] = caller  # type: ignore[typeddict-unknown-key]
    return caller


def holder_of(authorization: str, services: Services) -> Caller:
    """Who holds the token of an `Authorization` header. Raises `not_authenticated`, `token_expired`."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise ProblemError("not_authenticated")
    return services.tokens.verify(token.strip())


async def _in_good_standing(connection: Connection, caller: Caller) -> None:
    services = services_of(connection)
    await services.standings.check_token(services.pool, caller)


async def participants_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Drivers and customers whose token still counts."""
    caller = caller_of(connection)
    check_participant_role(caller)
    await _in_good_standing(connection, caller)


async def participants_whom_the_send_checks(connection: Connection, _: BaseRouteHandler) -> None:
    """Drivers and customers; `chat_send` itself looks at revocation, under its lock, so nothing is asked twice."""
    check_participant_role(caller_of(connection))


def check_participant_role(caller: Caller) -> None:
    """Raise `forbidden` for anybody but drivers and customers."""
    if not caller.is_participant:
        raise ProblemError("forbidden")


async def participants_even_in_disgrace(connection: Connection, _: BaseRouteHandler) -> None:
    """Drivers and customers, suspended or muted or not: an emergency is never refused for that."""
    check_participant_role(caller_of(connection))


async def service_only(connection: Connection, _: BaseRouteHandler) -> None:
    """The platform's own token."""
    caller = caller_of(connection)
    if caller.role != "service":
        raise ProblemError("forbidden")
    await _in_good_standing(connection, caller)


async def staff_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Any active staff account."""
    caller = caller_of(connection)
    if caller.role != "staff":
        raise ProblemError("forbidden")
    await _in_good_standing(connection, caller)


def staff_role_at_least(role: str, *also: str) -> Any:
    """Staff whose role is at least `role` in viewer < moderator < lead < admin, or one of `also`."""

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        await staff_only(connection, handler)
        held = caller_of(connection).staff_role or "viewer"
        # compliance stands beside the ladder: it gets what it is named for, and what every viewer gets.
        rank = 0 if held == "compliance" else STAFF_RANK[held]
        if rank < STAFF_RANK[role] and held not in also:
            raise ProblemError("forbidden")

    return guard


async def open_to_all(connection: Connection, _: BaseRouteHandler) -> None:
    """Health, metrics, sign-in: no token needed."""


def provide_services(state: State) -> Services:
    """Dependency `services`."""
    services: Services = state.services
    return services


def provide_caller(request: Connection, services: NamedDependency[Services]) -> Caller:
    """Dependency `caller`. It names `services` so that the two are found one after the other.

    Litestar looks for independent ones at once, in a task each: dearer than both together.
    """
    return caller_of(request)
