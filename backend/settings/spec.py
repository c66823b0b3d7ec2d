"""What one setting is: how it is read, what would be right, what it means, whether it is a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, cast

from backend.errors import ProblemError

PREFIX = "TRIPWARDEN_"


class SettingError(ProblemError):
    """A setting that is wrong: its name, its fault and what would be right."""

    def __init__(self, name: str, fault: str, right: str) -> None:
        self.name, self.fault, self.right = name, fault, right
        super().__init__("setting_invalid", f"{name}: {fault}. Right would be: {right}.")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One setting: how to read it, what it means, whether it is a secret."""

    read: Callable[[str], Any]
    right: str
    doc: str
    secret: bool = False


def as_integer(low: int, high: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        value = int(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def as_number(low: float, high: float) -> Callable[[str], float]:
    def read(raw: str) -> float:
        value = float(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def as_flag(raw: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]


def as_url(*schemes: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if not raw or raw.split("://", 1)[0] not in schemes or "://" not in raw:
            raise ValueError
        return raw

    return read


def as_words(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def as_networks(raw: str) -> tuple[str, ...]:
    """Addresses and networks (CIDR), each in its usual form. Raises ValueError."""
    return tuple(str(ip_network(part)) for part in as_words(raw))


def setting(default: Any, read: Callable[[str], Any], right: str, doc: str, *, secret: bool = False) -> Any:
    spec = Spec(read=read, right=right, doc=doc, secret=secret)
    if callable(default):
        return field(default_factory=default, metadata={"spec": spec})
    return field(default=default, metadata={"spec": spec})


def count(default: int, low: int, high: int, doc: str) -> int:
    return cast("int", setting(default, as_integer(low, high), f"a whole number from {low} to {high}", doc))


def amount(default: float, low: float, high: float, doc: str) -> float:
    return cast("float", setting(default, as_number(low, high), f"a number from {low} to {high}", doc))


def text(default: str, doc: str, *, secret: bool = False) -> str:
    return cast("str", setting(default, str, "a text", doc, secret=secret))
