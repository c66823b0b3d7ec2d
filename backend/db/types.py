"""What every table is made of: the declarative bases, ids that we mint, moments in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat
from advanced_alchemy.base import DefaultBase, UUIDv7Base
from advanced_alchemy.types import DateTimeUTC
from sqlalchemy.orm import Mapped, mapped_column

__all__ = ["Base", "UUIDv7Base", "new_id", "utc_column"]

#: Base of tables whose key is not an id that we mint.
Base = DefaultBase


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ids of one process sort by the time they were made."""
    return uuid_utils.compat.uuid7()


def utc_column(**options: Any) -> Mapped[datetime]:
    """A `timestamptz` column that only takes aware moments and gives them back in UTC."""
    return mapped_column(DateTimeUTC(timezone=True), **options)
