"""Canonical JSON (RFC 8785, JCS) for what the log holds: texts, numbers, booleans, null, lists, objects.

An id is the text that it is written as.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

import msgspec

#: One value of the private part.
Json = str | UUID | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

#: Whole numbers beyond have no exact form in every reader of JSON.
LARGEST = 2**53 - 1
_sorted = msgspec.json.Encoder(order="sorted").encode
_PLAIN = frozenset({str, UUID, bool, type(None)})


class NotCanonical(ValueError):
    """A value that has no canonical form: a wrong type, a number out of range, half a surrogate pair."""


def canonical(value: Json) -> bytes:
    """`value` in its one canonical form, UTF-8. Raises `NotCanonical`."""
    if type(cast("object", value)) is dict and _is_flat(cast("dict[str, Json]", value)):
        return _encode(value)
    return _value(value)


def _encode(flat: object) -> bytes:
    """msgspec writes texts, ids, whole numbers and literals exactly as JCS wants them."""
    try:
        return _sorted(flat)
    except (UnicodeEncodeError, OverflowError, msgspec.MsgspecError) as error:
        raise NotCanonical(str(error)) from error


def _is_flat(value: dict[str, Json]) -> bool:
    """No nesting, no broken numbers, and only ASCII names, whose order is the same in UTF-8 and UTF-16."""
    for name, item in value.items():
        if type(name) is not str or not name.isascii():
            return False
        kind = type(item)
        # The database's driver has a class of ids of its own.
        if kind in _PLAIN or issubclass(kind, UUID):
            continue
        if kind is not int or not -LARGEST <= cast("int", item) <= LARGEST:
            return False
    return True


def _value(value: Json) -> bytes:
    if value is None or isinstance(value, str | UUID | bool):
        return _encode(value)
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return _broken(value)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[str, Json]", value))
    if isinstance(value, list | tuple):
        return b"[" + b",".join(_value(item) for item in cast("Sequence[Json]", value)) + b"]"
    raise NotCanonical(f"{type(value).__name__} has no canonical form")


def _object(value: Mapping[str, Json]) -> bytes:
    for name in value:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise NotCanonical("a name that is no text")
    # RFC 8785, 3.2.3: names are ordered by their UTF-16 code units.
    names = sorted(value, key=_utf16)
    return b"{" + b",".join(_encode(name) + b":" + _value(value[name]) for name in names) + b"}"


def _utf16(name: str) -> bytes:
    try:
        return name.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise NotCanonical(str(error)) from error


def _whole(value: int) -> bytes:
    if not -LARGEST <= value <= LARGEST:
        raise NotCanonical(f"{value} cannot be held exactly by every reader of JSON")
    return str(value).encode()


def _broken(value: float) -> bytes:
    """ECMAScript's Number::toString: the shortest digits that give the same number, in its own choice of notation."""
    if not math.isfinite(value):
        raise NotCanonical(f"{value} is no JSON number")
    if value == 0:
        return b"0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)  # digits before the decimal point, as if all digits stood behind "0."
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    digits, point = digits[leading:].rstrip("0"), point - leading
    return (("-" if value < 0 else "") + _notation(digits, point)).encode()


def _notation(digits: str, point: int) -> str:
    """ECMA-262, 6.1.6.1.20, with k = len(digits) and n = point."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return digits[0] + ("." + digits[1:] if count > 1 else "") + exponent
