"""Where the api is and how long the console waits for it; read once per process from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

API_URL = "TRIPWARDEN_CONSOLE_API_URL"
SECURE_COOKIE = "TRIPWARDEN_CONSOLE_SECURE_COOKIE"
COOKIE = "TRIPWARDEN_CONSOLE_COOKIE"


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    """What the console has to know; times in seconds."""

    api_url: str = "http://127.0.0.1:8000"
    cookie: str = "tripwarden_session"
    secure_cookie: bool = False
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 8.0


def load() -> ConsoleSettings:
    """Settings of this process; `python -m console` writes its flags into the same variables."""
    default = ConsoleSettings()
    return ConsoleSettings(
        api_url=os.environ.get(API_URL, default.api_url).rstrip("/"),
        cookie=os.environ.get(COOKIE, default.cookie),
        secure_cookie=os.environ.get(SECURE_COOKIE, "").lower() in {"1", "true", "yes"},
    )
