"""Who calls: what a verified token says, and nothing more."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Role = Literal["driver", "customer", "service", "staff"]
STAFF_ROLES = ("viewer", "moderator", "lead", "compliance", "admin")
#: Power of a staff role over conversations. `compliance` reads and audits, it does not decide.
STAFF_RANK = {"viewer": 0, "compliance": 1, "moderator": 1, "lead": 2, "admin": 3}


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The person or service behind a request.

    `trip_id` is set when the token was made for one trip only; `staff_role` only for staff.
    """

    role: Role
    id: UUID
    token_id: str
    issued_at: datetime
    expires_at: datetime
    trip_id: UUID | None = None
    staff_role: str | None = None
    name: str = ""

    @property
    def is_participant(self) -> bool:
        """Whether this is a traveller (driver or customer)."""
        return self.role in ("driver", "customer")
