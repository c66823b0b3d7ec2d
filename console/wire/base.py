"""The shape that every list of the staff api has."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; `cursor` fetches the next one, None ends it."""

    items: list[T]
    cursor: str | None = None
    total: int | None = None
