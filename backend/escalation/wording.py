"""What one responder is told of one incident: facts from the rows, words from `notification.texts`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.models import StaffAccount
from backend.escalation.models import Incident
from backend.escalation.parts import Parts, incident_key
from backend.keys import SealBroken
from backend.notification.texts import filled
from backend.trips.models import Trip

log = structlog.get_logger("escalation")


class Details(msgspec.Struct):
    """What the person added to the press: words, and a position `{lat, lon, accuracyM, at}`."""

    note: str | None = None
    location: dict[str, Any] | None = None


def sealed_details(parts: Parts, incident_id: UUID, details: Details) -> bytes:
    """Details as they are stored."""
    return incident_key(parts).seal(msgspec.json.encode(details), incident_id.bytes)


def opened_details(parts: Parts, incident: Incident) -> Details:
    """Details of an incident, opened; empty when they cannot be, which must not stop a page."""
    try:
        plain = incident_key(parts).open(incident.details_sealed, incident.id.bytes)
        return msgspec.json.decode(plain, type=Details)
    except (SealBroken, msgspec.MsgspecError) as error:
        log.error("details_unreadable", incident_id=str(incident.id), error=type(error).__name__)
        return Details()


def position(details: Details, trip: Trip | None) -> dict[str, Any] | None:
    """The best position known, as `{lat, lon, accuracy_m, at}`: the one of the press, else the trip's last."""
    given = details.location
    if given is not None:
        return {
            "lat": given.get("lat"),
            "lon": given.get("lon"),
            "accuracy_m": given.get("accuracyM", given.get("accuracy_m")),
            "at": given.get("at"),
        }
    return trip.location if trip is not None else None


async def page_text(session: AsyncSession, parts: Parts, incident: Incident, key: str, language: str) -> str:
    """The page itself (`sms` or `voice`): what, who, vehicle and plate, where and how old that is, the code."""
    trip = await session.get(Trip, incident.trip_id)
    try:
        return _worded(parts, incident, trip, key, language)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # Whatever is wrong with the facts that others sent us: the page leaves.
        log.error("facts_unusable", incident_id=str(incident.id), error=repr(error))
        values = {"code": incident.short_code, "role": filled(incident.reporter_role, language)}
        return filled(f"{key}_bare", language, values)


def _worded(parts: Parts, incident: Incident, trip: Trip | None, key: str, language: str) -> str:
    now = parts.clock.now()
    again = filled("again", language, {"times": incident.urgency}) if incident.urgency > 1 else ""
    return filled(
        key,
        language,
        {
            "code": incident.short_code,
            "who": incident.reporter_name or "?",
            "role": filled(incident.reporter_role, language),
            "again": again,
            "covert": filled("covert", language) if incident.covert else "",
            "vehicle": _vehicle(trip, language),
            "where": _where(position(opened_details(parts, incident), trip), incident, now, language),
        },
    )


def _vehicle(trip: Trip | None, language: str) -> str:
    known = trip.vehicle if trip is not None else None
    if not known:
        return filled("vehicle_unknown", language)
    car = " ".join(str(known[part]) for part in ("colour", "make", "model") if known.get(part))
    return filled("vehicle", language, {"car": car or "?", "plate": known.get("plate") or "?"})


def _where(at: dict[str, Any] | None, incident: Incident, now: datetime, language: str) -> str:
    if at is None or at.get("lat") is None or at.get("lon") is None:
        return filled("where_unknown", language)
    seen = _moment(at.get("at")) or incident.pressed_at
    values = {
        "lat": f"{float(at['lat']):.5f}",
        "lon": f"{float(at['lon']):.5f}",
        "accuracy": round(float(at["accuracy_m"])) if at.get("accuracy_m") is not None else "?",
        "age": max(0, round((now - seen).total_seconds())),
    }
    return filled("where", language, values)


def _moment(raw: Any) -> datetime | None:
    if isinstance(raw, datetime):
        return raw
    try:
        return msgspec.convert(raw, datetime) if raw else None
    except msgspec.ValidationError:
        return None


async def holder_name(session: AsyncSession, incident: Incident) -> str:
    """Who has the incident, by name."""
    name = await session.scalar(select(StaffAccount.name).where(StaffAccount.id == incident.acknowledged_by))
    return name or "?"
