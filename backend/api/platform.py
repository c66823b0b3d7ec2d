"""What the ride-hailing platform tells us: trips, their status and position, people. Service tokens only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response, Router, post, put
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath, JSONBody

from backend.accounts.service import UserProfile, revoke_tokens, save_user, suspend_user
from backend.api.guards import service_only
from backend.clock import rfc3339
from backend.pipeline.services import Services
from backend.pipeline.travelling import save_trip, set_trip_status
from backend.push.service import MAX_DEVICES, Device, save_devices
from backend.trips.models import Trip
from backend.trips.service import Person, TripFacts

Name = Annotated[str, msgspec.Meta(max_length=200)]
Locale = Annotated[str, msgspec.Meta(max_length=20)]
Phone = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{5,14}$")]
#: FCM says nothing of its form, but it travels in JSON and has no blanks.
RegistrationToken = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{8,4096}$")]
Rating = Annotated[float, msgspec.Meta(ge=0, le=5)]
Short = Annotated[str, msgspec.Meta(max_length=100)]
#: Anything the platform calls a place; stored as it is, at most this large.
MAX_PLACE_BYTES = 4096


class PersonBody(msgspec.Struct, rename="camel", kw_only=True):
    """A driver or customer."""

    id: UUID
    name: Name = ""
    locale: Locale | None = None
    phone: Phone | None = None
    rating: Rating | None = None


class VehicleBody(msgspec.Struct, rename="camel", kw_only=True):
    """The car that the rider looks for."""

    make: Short = ""
    model: Short = ""
    colour: Short = ""
    plate: Short = ""


class TripBody(msgspec.Struct, rename="camel", kw_only=True):
    """A trip."""

    market: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    status: str
    driver: PersonBody
    customer: PersonBody
    vehicle: VehicleBody | None = None
    pickup: Any = None
    destination: Any = None


class TripAnswer(msgspec.Struct, rename="camel", kw_only=True):
    """The trip as it stands."""

    id: UUID
    market: str
    status: str
    driver_id: UUID
    customer_id: UUID
    created_at: datetime
    ended_at: datetime | None


class StatusBody(msgspec.Struct, rename="camel", kw_only=True):
    """A new status."""

    status: str


class LocationBody(msgspec.Struct, rename="camel", kw_only=True):
    """Where the vehicle is: degrees, metres."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, msgspec.Meta(ge=0, le=100_000)] | None = None
    at: datetime | None = None


class ContactBody(msgspec.Struct, rename="camel", kw_only=True):
    """Somebody to tell in an emergency."""

    name: Name = ""
    phone: Phone
    consent: bool = False


class DeviceBody(msgspec.Struct, rename="camel", kw_only=True):
    """A phone or browser with the app: its FCM registration token."""

    token: RegistrationToken
    platform: Literal["android", "ios", "web"]
    locale: Locale | None = None


class UserBody(msgspec.Struct, rename="camel", kw_only=True):
    """A person."""

    name: Name | None = None
    locale: Locale | None = None
    phone: Phone | None = None
    rating: Rating | None = None
    devices: Annotated[list[DeviceBody], msgspec.Meta(max_length=MAX_DEVICES)] | None = None
    emergency_contacts: Annotated[list[ContactBody], msgspec.Meta(max_length=10)] | None = None


class SuspensionBody(msgspec.Struct, rename="camel", kw_only=True):
    """Until when chat stays closed to a person; null ends it."""

    until: datetime | None = None


def _answer(trip: Trip) -> TripAnswer:
    return TripAnswer(
        id=trip.id,
        market=trip.market,
        status=trip.status,
        driver_id=trip.driver_id,
        customer_id=trip.customer_id,
        created_at=trip.created_at,
        ended_at=trip.ended_at,
    )


def _person(body: PersonBody) -> Person:
    return Person(id=body.id, name=body.name, locale=body.locale, phone=body.phone, rating=body.rating)


def _place(name: str, place: Any) -> Any:
    if place is not None and len(msgspec.json.encode(place)) > MAX_PLACE_BYTES:
        raise ValidationException(extra=[{"key": name, "message": f"is larger than {MAX_PLACE_BYTES} bytes"}])
    return place


@put("/trips/{trip_id:uuid}", guards=[service_only])
async def put_trip(
    services: NamedDependency[Services], trip_id: FromPath[UUID], data: JSONBody[TripBody]
) -> Response[TripAnswer]:
    """Create (201) or update (200) a trip. Another driver than before is a driver swap."""
    facts = TripFacts(
        market=data.market,
        status=data.status,
        driver=_person(data.driver),
        customer=_person(data.customer),
        vehicle=msgspec.to_builtins(data.vehicle) if data.vehicle is not None else None,
        pickup=_place("pickup", data.pickup),
        destination=_place("destination", data.destination),
    )
    saved = await save_trip(services, trip_id, facts)
    return Response(_answer(saved.trip), status_code=201 if saved.created else 200)


@post("/trips/{trip_id:uuid}/status", guards=[service_only], status_code=200)
async def post_status(
    services: NamedDependency[Services], trip_id: FromPath[UUID], data: JSONBody[StatusBody]
) -> TripAnswer:
    """Move a trip on."""
    return _answer((await set_trip_status(services, trip_id, data.status)).trip)


@post("/trips/{trip_id:uuid}/location", guards=[service_only], status_code=204)
async def post_location(
    services: NamedDependency[Services], trip_id: FromPath[UUID], data: JSONBody[LocationBody]
) -> None:
    """Where the vehicle is now."""
    location = {
        "lat": data.lat,
        "lon": data.lon,
        "accuracy_m": data.accuracy_m,
        "at": rfc3339(data.at if data.at is not None and data.at.tzinfo else services.clock.now()),
    }
    async with services.db.session() as session:
        await services.trips.set_location(session, trip_id, location)
        await session.commit()


@put("/users/{user_id:uuid}", guards=[service_only], status_code=204)
async def put_user(services: NamedDependency[Services], user_id: FromPath[UUID], data: JSONBody[UserBody]) -> None:
    """Create or change a person. `devices` are replaced whole: none erases them."""
    contacts = data.emergency_contacts
    profile = UserProfile(
        name=data.name,
        locale=data.locale,
        phone=data.phone,
        rating=data.rating,
        emergency_contacts=None if contacts is None else [msgspec.to_builtins(contact) for contact in contacts],
    )
    async with services.db.session() as session:
        await save_user(session, services.keyring, services.clock, user_id, profile)
        if data.devices is not None:
            devices = [Device(token=one.token, platform=one.platform, locale=one.locale) for one in data.devices]
            await save_devices(session, services.keyring, services.clock, user_id, devices)
        await session.commit()
    services.hub.control("user_changed", user_id=user_id)


@post("/users/{user_id:uuid}/revoke-tokens", guards=[service_only], status_code=204)
async def post_revoke(services: NamedDependency[Services], user_id: FromPath[UUID]) -> None:
    """Take back every token of a person that was made until now."""
    async with services.db.session() as session:
        await revoke_tokens(session, services.clock, user_id)
        await session.commit()
    services.hub.control("token_revoked", user_id=user_id)


@post("/users/{user_id:uuid}/suspension", guards=[service_only], status_code=204)
async def post_suspension(
    services: NamedDependency[Services], user_id: FromPath[UUID], data: JSONBody[SuspensionBody]
) -> None:
    """Close chat to a person until a moment, or open it again."""
    if data.until is not None and data.until.tzinfo is None:
        raise ValidationException(extra=[{"key": "until", "message": "needs a time zone"}])
    async with services.db.session() as session:
        await suspend_user(session, services.clock, user_id, data.until)
        await session.commit()
    services.hub.control("user_changed", user_id=user_id)


router = Router(
    "/api/platform",
    route_handlers=[put_trip, post_status, post_location, put_user, post_revoke, post_suspension],
    tags=["platform"],
)
