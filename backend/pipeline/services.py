"""Everything a process works with, as one frozen bundle. `backend.bootstrap` builds it; nothing else wires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dramatiq.brokers.redis import RedisBroker
from redis.asyncio import Redis

from backend.accounts.access import Standings
from backend.accounts.tokens import TokenService
from backend.audit import AuditLog
from backend.clock import Clock
from backend.db import Database
from backend.keys import Keyring
from backend.messages.service import ChatWriter
from backend.messages.templates import TemplateBook
from backend.messages.views import TripViews
from backend.notification import Notifier
from backend.pipeline.limits import Limits
from backend.pipeline.sending import SendPipeline
from backend.policies.in_force import PoliciesInForce
from backend.policies.shadowing import ShadowRecorder
from backend.push.interface import Pusher
from backend.realtime import Hub
from backend.settings import Settings
from backend.trips.service import TripWriter


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of one process. `redis` and `hub` may be out of reach at any time; the rows are what counts."""

    settings: Settings
    clock: Clock
    db: Database
    redis: Redis
    broker: RedisBroker
    keyring: Keyring
    audit: AuditLog
    hub: Hub
    tokens: TokenService
    standings: Standings
    views: TripViews
    templates: TemplateBook
    chat: ChatWriter
    trips: TripWriter
    moderation: PoliciesInForce
    shadows: ShadowRecorder
    limits: Limits
    sender: SendPipeline
    notifier: Notifier
    pusher: Pusher | None = None

    @property
    def pool(self) -> Any:
        """The asyncpg pool of the hot path."""
        return self.db.pool
