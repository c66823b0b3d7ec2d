"""People: staff accounts and the two parties of a trip."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Account(msgspec.Struct, frozen=True):
    """A staff account."""

    id: str
    email: str
    name: str
    role: str
    active: bool = True
    last_sign_in_at: datetime | None = None


class SignedIn(msgspec.Struct, frozen=True):
    """The answer to a sign-in: a bearer token and whose it is."""

    token: str
    expires_at: datetime
    account: Account


class Party(msgspec.Struct, frozen=True):
    """A driver or a customer of a trip."""

    id: str = ""
    name: str = ""
    rating: float | None = None
    role: str = ""


class User(msgspec.Struct, frozen=True):
    """A driver or rider; never a telephone number."""

    id: str
    name: str = ""
    locale: str = ""
    rating: float | None = None
    suspended_until: datetime | None = None


class Enforcement(msgspec.Struct, frozen=True):
    """What a decision did to a person, and until when."""

    id: str
    kind: str = ""
    applied_at: datetime | None = None
    until: datetime | None = None
    lifted_at: datetime | None = None
    running: bool = False
    case_id: str | None = None


class PersonCase(msgspec.Struct, frozen=True):
    """A case about a person, in short."""

    id: str
    kind: str = ""
    state: str = ""
    severity: str = ""
    reasons: list[str] = []
    opened_at: datetime | None = None


class PersonTrip(msgspec.Struct, frozen=True):
    """A trip of a person, in short."""

    trip_id: str
    status: str = ""
    role: str = ""
    created_at: datetime | None = None


class Person(msgspec.Struct, frozen=True):
    """A driver or customer with their record: enforcements, cases, the last trips."""

    user: User
    enforcements: list[Enforcement] = []
    cases: list[PersonCase] = []
    trips: list[PersonTrip] = []
