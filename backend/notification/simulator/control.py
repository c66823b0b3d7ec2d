"""`/_control`: what a test or the console sets and asks; nothing of it exists at Twilio."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from backend.notification.simulator.callbacks import CallbackRule
from backend.notification.simulator.exchange import Exchange
from backend.notification.simulator.faults import Fault
from backend.notification.simulator.message_life import send_in
from backend.notification.simulator.people import COMPANY_NUMBER, Person


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Speed factor and inbound webhook, changed while it runs."""

    speed: float | None = None
    sms_url: str | None = None


class InboundText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that a phone sends to us."""

    phone: str
    body: str
    to: str = COMPANY_NUMBER


@get("/phones")
async def list_phones(exchange: NamedDependency[Exchange]) -> list[dict[str, Any]]:
    """What each phone heard: `[{phone, name, events: [{at, kind, text}]}]`."""
    return exchange.phones()


@get("/people")
async def list_people(exchange: NamedDependency[Exchange]) -> list[Person]:
    return list(exchange.people.values())


@put("/people")
async def set_person(data: JSONBody[Person], exchange: NamedDependency[Exchange]) -> Person:
    """Script the owner of a phone, from now on."""
    exchange.people[data.phone] = data
    return data


@get("/faults")
async def list_faults(exchange: NamedDependency[Exchange]) -> list[Fault]:
    return exchange.faults.open()


@post("/faults", status_code=201)
async def order_fault(data: JSONBody[Fault], exchange: NamedDependency[Exchange]) -> Fault:
    exchange.faults.order(data)
    return data


@delete("/faults", status_code=204)
async def clear_faults(exchange: NamedDependency[Exchange]) -> None:
    exchange.faults.clear()


@put("/callbacks")
async def set_callback_rule(data: JSONBody[CallbackRule], exchange: NamedDependency[Exchange]) -> CallbackRule:
    exchange.webhooks.rule = data
    return data


@put("/settings")
async def set_pace(data: JSONBody[Pace], exchange: NamedDependency[Exchange]) -> Pace:
    exchange.speed = data.speed or exchange.speed
    exchange.sms_url = data.sms_url if data.sms_url is not None else exchange.sms_url
    return Pace(exchange.speed, exchange.sms_url)


@post("/inbound", status_code=201)
async def receive_text(data: JSONBody[InboundText], exchange: NamedDependency[Exchange]) -> dict[str, str]:
    """A person texts us of their own accord; answered when the webhook has answered."""
    return {"sid": await send_in(exchange, data.phone, data.to, data.body)}


@post("/reset", status_code=204)
async def reset(exchange: NamedDependency[Exchange]) -> None:
    exchange.reset()


control_router = Router(
    path="/_control",
    route_handlers=[
        list_phones,
        list_people,
        set_person,
        list_faults,
        order_fault,
        clear_faults,
        set_callback_rule,
        set_pace,
        receive_text,
        reset,
    ],
)
