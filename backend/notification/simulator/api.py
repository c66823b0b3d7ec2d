"""The 2010 API of one account: messages and calls. Shapes as in Twilio's OpenAPI file `twilio_api_v2010`."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

from litestar import Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from backend.notification.simulator import call_life, message_life
from backend.notification.simulator.exchange import Exchange, new_sid
from backend.notification.simulator.problems import TwilioError
from backend.notification.simulator.resources import CALL_OVER, Call, Message, page
from backend.notification.simulator.validation import check_call, check_message, one

Row = TypeVar("Row", Message, Call)
Wire = Request[Any, Any, Any]
PAGE_SIZE, PAGE_SIZE_MAX = 50, 1_000


def account_holder(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard: basic authentication with the account's own credentials. Raises `TwilioError` 20003."""
    config = connection.app.state.exchange.config
    scheme, _space, given = connection.headers.get("authorization", "").partition(" ")
    wanted = base64.b64encode(f"{config.account_sid}:{config.auth_token}".encode())
    right = hmac.compare_digest(given.encode(), wanted)
    if scheme.lower() != "basic" or not right or connection.path_params.get("account") != config.account_sid:
        raise TwilioError(20003)


async def _form(request: Wire) -> dict[str, list[str]]:
    return parse_qs((await request.body()).decode(), keep_blank_values=True)


@post("/Messages.json", status_code=201)
async def create_message(request: Wire, account: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    """Take a text and let it live."""
    form = await _form(request)
    check_message(form, exchange.config.own_numbers)
    message = Message(
        sid=new_sid("SM"),
        account_sid=account,
        to=one(form, "To"),
        sender=one(form, "From"),
        body=one(form, "Body"),
        status_callback=one(form, "StatusCallback"),
    )
    exchange.keep_message(message)
    answer = message.resource()
    exchange.start(message_life.live(exchange, message))
    return answer


@post("/Calls.json", status_code=201)
async def create_call(request: Wire, account: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    """Take a call and let it live."""
    form = await _form(request)
    check_call(form, exchange.config.own_numbers)
    call = Call(
        sid=new_sid("CA"),
        account_sid=account,
        to=one(form, "To"),
        sender=one(form, "From"),
        url=one(form, "Url"),
        method=one(form, "Method") or "POST",
        twiml=one(form, "Twiml"),
        status_callback=one(form, "StatusCallback"),
        events=frozenset(form.get("StatusCallbackEvent") or ["completed"]),
        ring_timeout_s=int(one(form, "Timeout") or "60"),
    )
    exchange.keep_call(call)
    answer = call.resource()
    exchange.start(call_life.live(exchange, call))
    return answer


@get("/Messages.json")
async def list_messages(request: Wire, account: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    query = _query(request)
    rows = [
        row.resource()
        for row in reversed(exchange.messages.values())
        if _fits(query, {"To": row.to, "From": row.sender}) and _in_time(query, "DateSent", row.sent or row.created)
    ]
    return page("messages", rows, account, _page_size(query))


@get("/Calls.json")
async def list_calls(request: Wire, account: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    query = _query(request)
    rows = [
        row.resource()
        for row in reversed(exchange.calls.values())
        if _fits(query, {"To": row.to, "From": row.sender, "Status": row.status})
        and _in_time(query, "StartTime", row.started or row.created)
    ]
    return page("calls", rows, account, _page_size(query))


@get("/Messages/{name:str}")
async def fetch_message(name: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    return _found(exchange.messages, name).resource()


@get("/Calls/{name:str}")
async def fetch_call(name: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    return _found(exchange.calls, name).resource()


@post("/Calls/{name:str}", status_code=200)
async def update_call(request: Wire, name: FromPath[str], exchange: NamedDependency[Exchange]) -> dict[str, Any]:
    """End a call (`Status` canceled or completed). A call that is over cannot be changed: 21220."""
    call = _found(exchange.calls, name)
    status = one(await _form(request), "Status")
    if call.status in CALL_OVER:
        raise TwilioError(21220)
    if status not in ("canceled", "completed"):
        raise TwilioError(21705, message="Status has to be canceled or completed")
    await call_life.hang_up(exchange, call, status)
    return call.resource()


def _query(request: Wire) -> dict[str, str]:
    return {key: str(value) for key, value in request.query_params.items()}


def _fits(query: Mapping[str, str], have: Mapping[str, str]) -> bool:
    return all(query.get(name, value) == value for name, value in have.items())


def _in_time(query: Mapping[str, str], name: str, at: datetime) -> bool:
    """`DateSent>`, `StartTime<` and the like; Twilio compares whole seconds (a bare date is its midnight)."""
    checks: tuple[tuple[str, Callable[[datetime], bool]], ...] = (
        (name + ">", lambda limit: at.replace(microsecond=0) >= limit),
        (name + "<", lambda limit: at.replace(microsecond=0) <= limit),
    )
    return all(check(_moment(query[key])) for key, check in checks if key in query)


def _moment(raw: str) -> datetime:
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        try:
            moment = parsedate_to_datetime(raw)
        except ValueError as error:
            raise TwilioError(21705, message="not a date") from error
    return moment if moment.tzinfo else moment.astimezone()


def _page_size(query: Mapping[str, str]) -> int:
    raw = query.get("PageSize", str(PAGE_SIZE))
    if not raw.isdigit() or not 1 <= int(raw) <= PAGE_SIZE_MAX:
        raise TwilioError(21705, message="PageSize has to be from 1 to 1000")
    return int(raw)


def _found(rows: Mapping[str, Row], name: str) -> Row:
    row = rows.get(name.removesuffix(".json"))
    if row is None:
        raise TwilioError(20404)
    return row


def show_twilio_error(_: Wire, error: TwilioError) -> Response[dict[str, Any]]:
    """Errors the way Twilio writes them."""
    return Response(error.body(), status_code=error.status)


api_router = Router(
    path="/2010-04-01/Accounts/{account:str}",
    guards=[account_holder],
    route_handlers=[
        create_message,
        create_call,
        list_messages,
        list_calls,
        fetch_message,
        fetch_call,
        update_call,
    ],
)
