"""What a fresh installation needs to be tried at once: staff accounts with passwords that are made once."""

from __future__ import annotations

from dataclasses import dataclass

from backend.settings import Settings


@dataclass(frozen=True)
class SignIn:
    """A demo account and its password."""

    email: str
    password: str


async def seed(settings: Settings) -> list[SignIn]:
    """Make what is missing; change nothing that is there."""
    return []
