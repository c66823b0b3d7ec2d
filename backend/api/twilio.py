"""Webhooks of the telephone provider. The signature is the guard; the body is a form."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, Router, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, QueryParameter

from backend.api.guards import services_of
from backend.errors import ProblemError
from backend.escalation.answering import take_call, take_digit, take_text
from backend.escalation.callbacks import Event, take_status
from backend.notification import webhooks
from backend.pipeline.services import Services

Wire = Request[Any, Any, Any]
XML = "text/xml"


async def signed_by_the_provider(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Only what Twilio signed with one of our tokens. Raises `forbidden`."""
    request = Request[Any, Any, Any](connection.scope, connection.receive)
    fields = webhooks.form(await request.body())
    path = connection.scope["path"]
    query = connection.scope["query_string"].decode("latin-1")
    signature = connection.headers.get("x-twilio-signature", "")
    settings = services_of(connection).settings
    if not webhooks.is_signed(settings, f"{path}?{query}" if query else path, fields, signature):
        raise ProblemError("forbidden", "The signature is not the provider's.")


async def _event(request: Wire, kind: str, attempt_id: UUID | None) -> Event:
    body = await request.body()
    token = request.headers.get("i-twilio-idempotency-token", "")
    key = webhooks.event_key(kind, str(attempt_id or ""), token, body)
    return Event(key=key, kind=kind, attempt_id=attempt_id, fields=webhooks.form(body))


@post("/voice/{attempt_id:uuid}", status_code=200)
async def read_out(
    request: Wire,
    services: NamedDependency[Services],
    attempt_id: FromPath[UUID],
    reading: Annotated[int, QueryParameter(ge=1, le=9)] = 1,
) -> Response[str]:
    """A call was answered: what, who, where, and press 1."""
    event = await _event(request, f"voice{reading}", attempt_id)
    return _twiml(await take_call(services, event, request.scope["path"], reading))


@post("/gather/{attempt_id:uuid}", status_code=200)
async def take_pressed_digit(
    request: Wire, services: NamedDependency[Services], attempt_id: FromPath[UUID]
) -> Response[str]:
    """Somebody pressed a digit."""
    event = await _event(request, "gather", attempt_id)
    return _twiml(await take_digit(services, event, request.scope["path"]))


@post("/status/{attempt_id:uuid}", status_code=204)
async def take_status_callback(request: Wire, services: NamedDependency[Services], attempt_id: FromPath[UUID]) -> None:
    """What became of a call or text."""
    await take_status(services, await _event(request, "status", attempt_id))


@post("/sms", status_code=200)
async def take_inbound_text(request: Wire, services: NamedDependency[Services]) -> Response[str]:
    """Somebody texted our number."""
    return _twiml(await take_text(services, await _event(request, "sms", None)))


def _twiml(document: str | None) -> Response[str]:
    if document is None:
        raise ProblemError("not_found")
    return Response(document, media_type=XML)


router = Router(
    path="/api/twilio",
    guards=[signed_by_the_provider],
    route_handlers=[read_out, take_pressed_digit, take_status_callback, take_inbound_text],
    include_in_schema=False,
)
