"""The emergency button, and masked calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath
from msgspec import Meta

from backend.accounts.caller import Caller
from backend.api.guards import participants_even_in_disgrace, participants_only
from backend.errors import ProblemError
from backend.pipeline.pressing import PressRequest, PressView, press
from backend.pipeline.services import Services


class Position(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Where somebody is: degrees, metres, and when that was."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    at: datetime | None = None


class PressBody(msgspec.Struct, rename="camel", kw_only=True):
    """A press. All of it may be left out: the button works with an empty body."""

    #: No control characters: PostgreSQL takes no U+0000, and a press must not fail for its id.
    client_request_id: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+\Z")] | None = None
    covert: bool | None = None
    location: Position | None = None
    note: Annotated[str, Meta(max_length=2_000)] | None = None


@dataclass
class _TakesAPress(Operation):
    """The route reads its body itself, so that nothing in it can refuse a press; this is what it understands."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            description="All of it may be left out, and so may the body. What cannot be read of it is left out too.",
            content={"application/json": OpenAPIMediaType(schema=_BODY)},
            required=False,
        )


_BODY = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "clientRequestId": Schema(
            type=OpenAPIType.STRING,
            min_length=1,
            max_length=100,
            description="A press with an id that was used before is the same press.",
        ),
        "covert": Schema(type=OpenAPIType.BOOLEAN, description="Left out: as the policy of the market says."),
        "location": Schema(
            type=OpenAPIType.OBJECT,
            description="Where the person is, in degrees and metres, and when that was.",
            required=["lat", "lon"],
            properties={
                "lat": Schema(type=OpenAPIType.NUMBER, minimum=-90, maximum=90),
                "lon": Schema(type=OpenAPIType.NUMBER, minimum=-180, maximum=180),
                "accuracyM": Schema(type=OpenAPIType.NUMBER, minimum=0, maximum=1_000_000),
                "at": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
            },
        ),
        "note": Schema(type=OpenAPIType.STRING, max_length=2_000),
    },
)


@post("/emergency", guards=[participants_even_in_disgrace], operation_class=_TakesAPress)
async def press_emergency(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    trip_id: FromPath[UUID],
) -> Response[PressView]:
    """201 once the incident is durable and the first pages are on their way; 200 for a repeat or another press."""
    body = _read(await _body_of(request))
    wanted = PressRequest(
        client_request_id=body.client_request_id,
        covert=body.covert,
        location=msgspec.to_builtins(body.location) if body.location is not None else None,
        note=body.note,
    )
    answer = await press(services, caller, trip_id, wanted)
    return Response(answer.view, status_code=201 if answer.is_new else 200)


async def _body_of(request: Request[Any, Any, Any]) -> bytes:
    """What came with the press; nothing when it is too large to be read."""
    try:
        return await request.body()
    except HTTPException:
        return b""


def _read(raw: bytes) -> PressBody:
    """The body. What cannot be read of it is left out: a broken app must not keep somebody from calling for help."""
    try:
        return msgspec.json.decode(raw, type=PressBody) if raw.strip() else PressBody()
    except msgspec.MsgspecError:
        return _salvage(raw)


def _salvage(raw: bytes) -> PressBody:
    """Each field that is right by itself."""
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return PressBody()
    saved = PressBody()
    for name in msgspec.structs.fields(PressBody):
        part = fields.get(name.encode_name)
        if part is None:
            continue
        try:
            setattr(saved, name.name, msgspec.json.decode(part, type=name.type))
        except msgspec.MsgspecError:
            continue
    return saved


@post(["/call-customer", "/call-driver"], guards=[participants_only])
async def call_other_side(trip_id: FromPath[UUID]) -> None:
    """A call in which neither side learns a number."""
    raise ProblemError("not_available")


router = Router(path="/api/trips/{trip_id:uuid}", route_handlers=[press_emergency, call_other_side], tags=["emergency"])
