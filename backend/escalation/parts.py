"""What this domain needs of the process it runs in; `Services` of bootstrap has all of it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from dramatiq import Broker

from backend.audit import AuditLog
from backend.clock import Clock
from backend.db import Database
from backend.keys import DataKey, Keyring
from backend.notification import Notifier
from backend.realtime import Hub
from backend.settings import Settings


class Parts(Protocol):
    """The parts of a process that emergencies use."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def db(self) -> Database: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def audit(self) -> AuditLog: ...
    @property
    def hub(self) -> Hub: ...
    @property
    def notifier(self) -> Notifier: ...
    @property
    def broker(self) -> Broker: ...


def incident_key(parts: Parts) -> DataKey:
    """Seals words and positions of incidents."""
    return parts.keyring.sealer("incident")


def phone_key(parts: Parts) -> DataKey:
    """Seals telephone numbers."""
    return parts.keyring.sealer("contact")


def seconds_between(earlier: datetime | None, later: datetime) -> float:
    """0 when there is no earlier moment."""
    return (later - earlier).total_seconds() if earlier is not None else 0.0
