"""Lists: `{items, cursor, total?}` with keyset cursors, so that a page neither skips nor repeats while rows arrive."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from backend.errors import ProblemError

Item = TypeVar("Item")
Key = TypeVar("Key")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR = 512

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="Most items in the answer.")]
Cursor = Annotated[str | None, QueryParameter(max_length=MAX_CURSOR, description="The `cursor` of the page before.")]


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page; `cursor` is null on the last one, `total` is there where counting is cheap."""

    items: list[Item]
    cursor: str | None = None
    total: int | msgspec.UnsetType = msgspec.UNSET


def cursor_of(key: Any) -> str:
    """The cursor that continues after `key`."""
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def key_of(cursor: str | None, kind: type[Key]) -> Key | None:
    """The key in a cursor. Raises `invalid_cursor` for anything that this list did not give out."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise ProblemError("invalid_cursor") from error
