"""The pages of the console, in the order of the navigation, and who may use each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from console.app_pages import audit, emergencies, live_trips, people, retention, review, staff, templates
from console.roles import ADMINS, DESK, EVERYONE, READERS, RECORDS
from console.session import Desk


@dataclass(frozen=True)
class ConsolePage:
    """A page: its title in the navigation, its address, the roles that see it, and what draws it."""

    title: str
    path: str
    roles: frozenset[str]
    show: Callable[[Desk], None]
    default: bool = False


PAGES = (
    ConsolePage("Live trips", "live-trips", EVERYONE, live_trips.show, default=True),
    ConsolePage("Emergencies", "emergencies", EVERYONE, emergencies.show),
    ConsolePage("Review", "review", DESK, review.show),
    ConsolePage("Templates", "templates", EVERYONE, templates.show),
    ConsolePage("People", "people", READERS, people.show),
    ConsolePage("Audit", "audit", RECORDS, audit.show),
    ConsolePage("Retention", "retention", RECORDS, retention.show),
    ConsolePage("Staff", "staff", ADMINS, staff.show),
)
