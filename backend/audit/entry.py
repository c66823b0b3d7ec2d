"""What a domain says of an act: the event and its circumstances."""

from __future__ import annotations

import re
from functools import lru_cache
from uuid import UUID

import msgspec

from backend.audit.canonical import Json

_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_MAX_CODE = 64
#: Subject of entries about nobody in particular.
SYSTEM = "system"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One act. `event`, `outcome`, `policy` and `counts` are public for ever: never anything about a person in them.

    `trip_id`, `person_id` (whose words or data), `staff_id` (the acting staff account) and `private` are sealed under
    the audit key of `subject` (default: the person, else the trip). Erasing that subject erases them.
    """

    event: str
    outcome: str = "ok"
    policy: str | None = None
    counts: dict[str, int] = {}
    trip_id: UUID | None = None
    person_id: UUID | None = None
    staff_id: UUID | None = None
    subject: str | None = None
    private: dict[str, Json] = {}

    def private_part(self) -> dict[str, Json]:
        """Everything that is sealed, as one object; empty when there is nothing."""
        whole = dict(self.private)
        if self.trip_id is not None:
            whole["trip_id"] = self.trip_id
        if self.person_id is not None:
            whole["person_id"] = self.person_id
        if self.staff_id is not None:
            whole["staff_id"] = self.staff_id
        return whole

    def key_subject(self) -> str:
        """Under whose audit key the private part is sealed."""
        private = self.private
        return self.subject or str(
            self.person_id or private.get("person_id") or self.trip_id or private.get("trip_id") or SYSTEM
        )


@lru_cache(maxsize=1024)
def check_code(code: str) -> str:
    """An event or outcome code. Raises `ValueError`: free text would be a way for words into the public half."""
    if len(code) > _MAX_CODE or not _CODE.fullmatch(code):
        raise ValueError(f"{code!r} is no code: lower-case words with dots between them")
    return code
