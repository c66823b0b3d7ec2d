"""What this domain needs of the process it runs in; `Services` of bootstrap has all of it."""

from __future__ import annotations

from typing import Any, Protocol

from dramatiq import Broker

from backend.clock import Clock
from backend.db import Database
from backend.keys import DataKey, Keyring
from backend.push.interface import Pusher
from backend.settings import Settings


class Parts(Protocol):
    """The parts of a process that push uses. Without a `pusher` nothing is pushed."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def db(self) -> Database: ...
    @property
    def redis(self) -> Any: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def pusher(self) -> Pusher | None: ...


def token_key(keyring: Keyring) -> DataKey:
    """Seals registration tokens."""
    return keyring.sealer("push")
