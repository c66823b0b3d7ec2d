"""The routes of the local Firebase, and what a test sets and asks of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from backend.notification.simulator.fcm.account import PATH
from backend.notification.simulator.fcm.firebase import Firebase, Taken
from backend.notification.simulator.fcm.problems import GoogleError, GrantError

Wire = Request[Any, Any, Any]


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Registration tokens."""

    tokens: list[str]


@post("/token", status_code=200)
async def grant(request: Wire, firebase: NamedDependency[Firebase]) -> dict[str, Any]:
    """The token endpoint; the audience of an assertion is this very address."""
    form = parse_qs((await request.body()).decode())
    audience = str(request.url).partition("?")[0]
    return firebase.grant(form.get("grant_type", [""])[0], form.get("assertion", [""])[0], audience)


@post("/v1/projects/{project:str}/messages:send", status_code=200)
async def send(request: Wire, project: FromPath[str], firebase: NamedDependency[Firebase]) -> dict[str, str]:
    """The send endpoint."""
    return firebase.send(project, request.headers.get("authorization", ""), await request.body())


@get("/sent")
async def list_sent(firebase: NamedDependency[Firebase]) -> list[Taken]:
    """What was taken, oldest first."""
    return list(firebase.taken)


@get("/grants")
async def count_grants(firebase: NamedDependency[Firebase]) -> dict[str, int]:
    """How many access tokens were given out."""
    return {"grants": firebase.grants}


@put("/unregistered")
async def set_unregistered(data: JSONBody[Tokens], firebase: NamedDependency[Firebase]) -> Tokens:
    """The app was removed from these devices."""
    firebase.unregistered = set(data.tokens)
    return data


@post("/expire", status_code=204)
async def expire(firebase: NamedDependency[Firebase]) -> None:
    """No access token is good any more."""
    firebase.expire_tokens()


def show_google_error(_: Wire, error: GoogleError) -> Response[dict[str, Any]]:
    return Response(error.body(), status_code=error.status)


def show_grant_error(_: Wire, error: GrantError) -> Response[dict[str, str]]:
    return Response(error.body(), status_code=400)


ERROR_HANDLERS: dict[Any, Any] = {GoogleError: show_google_error, GrantError: show_grant_error}
fcm_router = Router(PATH, route_handlers=[grant, send])
fcm_control_router = Router("/_control/push", route_handlers=[list_sent, count_grants, set_unregistered, expire])
