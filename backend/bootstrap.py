"""The only wiring: settings in, a process's services out. Nothing is connected at import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
import msgspec
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, AsyncIO, Callbacks, Retries, ShutdownNotifications, TimeLimit
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from backend.accounts.access import Standings
from backend.accounts.tokens import TokenService
from backend.audit import AuditLog, Entry
from backend.audit.producers import kept_closed
from backend.clock import Clock, SystemClock
from backend.db import Database
from backend.keys import Keyring, LocalRootKey
from backend.messages.access import access_missed
from backend.messages.epoch import check_epoch
from backend.messages.lanes import SendLanes
from backend.messages.service import ChatWriter
from backend.messages.templates import TemplateBook
from backend.messages.views import TripViews
from backend.notification import build_notifier
from backend.pipeline.judging import Judge
from backend.pipeline.limits import Limits
from backend.pipeline.marking import access_newest_marks
from backend.pipeline.sending import SendPipeline
from backend.pipeline.services import Services
from backend.policies.in_force import PoliciesInForce, PolicyWatch
from backend.policies.shadowing import ShadowRecorder
from backend.push.fcm import build_pusher
from backend.realtime import Audience, Control, Hub, Numbered, Whisper
from backend.records.expiry import keep_days
from backend.settings import SettingError, Settings, flat
from backend.trips.service import TripWriter
from moderation import default_pipeline, load_policy

REDIS_TIMEOUT_S = 5.0
BROKER_TIMEOUT_S = 2.0
#: How long a process that starts waits for its database, and what a database says that will be there in a moment.
DATABASE_PATIENCE_S = 10.0
_driver: Any = asyncpg
COMING_BACK: tuple[type[Exception], ...] = (
    ConnectionError,
    TimeoutError,
    _driver.CannotConnectNowError,
    _driver.ConnectionDoesNotExistError,
    _driver.AdminShutdownError,
    _driver.CrashShutdownError,
)

log = structlog.get_logger()


def build_broker(settings: Settings) -> RedisBroker:
    """Dramatiq's broker of this installation; never the global one."""
    middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(max_retries=3), AsyncIO()]
    redis_class: Any = SyncRedis
    # The library sets no timeouts: a broker that hangs would hold its caller for ever.
    client = redis_class.from_url(
        settings.redis.url, socket_timeout=BROKER_TIMEOUT_S, socket_connect_timeout=BROKER_TIMEOUT_S
    )
    return RedisBroker(client=client, middleware=middleware, namespace="tripwarden")


def build_moderation(settings: Settings) -> PoliciesInForce:
    """The judge with the shipped policy, or with the one that the settings name; until rows say something else."""
    path = settings.moderation.policy_file
    pipeline = default_pipeline(load_policy(Path(path)) if path else None)
    return PoliciesInForce(pipeline, "file" if path else "shipped")


def check_engines(settings: Settings) -> None:
    """Raise SettingError when there is no database or Valkey to talk to."""
    for name, value in (("DATABASE_URL", settings.database.url), ("REDIS_URL", settings.redis.url)):
        if not value:
            raise SettingError(
                f"TRIPWARDEN_{name}",
                "is not set and `tripwarden up` does not run here",
                "a URL, or start `tripwarden up`",
            )


@asynccontextmanager
async def build(
    settings: Settings, *, producer: str = "api", clock: Clock | None = None, broker: RedisBroker | None = None
) -> AsyncGenerator[Services]:
    """Open everything that a process needs, and close it in the reverse order. A `broker` given stays its owner's.

    Raises SettingError, KeyFileError, and what PostgreSQL's driver raises when it is not reachable.
    """
    check_engines(settings)
    clock = clock or SystemClock()
    db = Database(settings.database)
    redis_class: Any = Redis
    redis: Redis = redis_class.from_url(
        settings.redis.url, socket_connect_timeout=REDIS_TIMEOUT_S, socket_keepalive=True, health_check_interval=15
    )
    own_broker = build_broker(settings) if broker is None else None
    try:
        services = assemble(settings, clock, db, redis, broker or cast("RedisBroker", own_broker), producer)
        await _reach(db, settings.data.dir)
        watch = PolicyWatch(services.moderation, lambda: db.pool)
        await services.hub.start(_filler(services), _mark_reader(services))
        services.hub.on_control(_listener(services, watch))
        try:
            async with kept_closed(db, clock, services.audit), _policies(services, watch):
                await _note_start(services)
                try:
                    yield services
                finally:
                    # First of all: what was begun is stored and told while everything that this needs is still there.
                    await services.sender.stop()
        finally:
            await services.limits.shared.close()
            await services.hub.stop()
            services.notifier.close()
            if services.pusher is not None:
                await services.pusher.close()
    finally:
        await db.close()
        await redis.aclose()
        if own_broker is not None:
            own_broker.close()


@asynccontextmanager
async def _policies(services: Services, watch: PolicyWatch) -> AsyncGenerator[None]:
    """Follow the policies that are installed, and write down what a shadow says."""
    services.moderation.on_change(lambda policy: services.audit.name_policy(policy.name))
    await watch.start()
    services.shadows.start()
    try:
        yield
    finally:
        await watch.stop()
        await services.shadows.stop()


async def _reach(db: Database, data_dir: Path) -> None:
    """Connect, and look at the epoch. A PostgreSQL on its way back is waited for: to start anew costs far more."""
    give_up_at = time.monotonic() + DATABASE_PATIENCE_S
    while True:
        try:
            await db.open()
            await check_epoch(db.pool, data_dir)
        except COMING_BACK as error:
            if time.monotonic() >= give_up_at:
                raise
            log.info("database.awaited", error=type(error).__name__)
            await asyncio.sleep(0.25)
        else:
            return


def assemble(
    settings: Settings, clock: Clock, db: Database, redis: Redis, broker: RedisBroker, producer: str
) -> Services:
    """Put the parts together; pure construction, nothing connects."""
    keyring = Keyring(db, LocalRootKey.load(settings.data.dir, settings.key.root_file), clock)
    moderation = build_moderation(settings)
    audit = AuditLog(db, keyring, clock, producer, moderation.policy.name, origin=settings.audit.origin)
    hub = Hub(redis, keyring.sealer("realtime"), lambda: db.pool)
    views, templates = TripViews(), TemplateBook()
    limits = Limits.of(settings.limit, redis)
    shadows = ShadowRecorder(lambda: db.pool, clock)
    return Services(
        settings=settings,
        clock=clock,
        db=db,
        redis=redis,
        broker=broker,
        keyring=keyring,
        audit=audit,
        hub=hub,
        tokens=TokenService.from_settings(settings, clock),
        standings=Standings(clock),
        views=views,
        templates=templates,
        chat=ChatWriter(keyring, audit, clock),
        trips=TripWriter(keyring, audit, clock, keep_days, timedelta(seconds=settings.chat.closing_grace_s)),
        moderation=moderation,
        shadows=shadows,
        limits=limits,
        sender=SendPipeline(
            db=db,
            keyring=keyring,
            audit=audit,
            hub=hub,
            clock=clock,
            judge=Judge(moderation, shadows),
            views=views,
            templates=templates,
            limits=limits.messages,
            trip_limits=limits.trip_messages,
            max_chars=settings.chat.content_max_chars,
            lanes=SendLanes(
                db.connect_lane,
                lambda: db.pool,
                lanes=settings.database.send_lanes,
                gather_s=settings.database.send_gather_ms / 1000,
            ),
        ),
        notifier=build_notifier(settings),
        pusher=build_pusher(settings.push),
    )


async def _note_start(services: Services) -> None:
    """Which settings a process runs with is an act too: their digest, secrets included, goes into the log."""
    shown = msgspec.json.encode(flat(services.settings, show_secrets=True))
    digest = services.keyring.sealer("settings").mac(shown).hex()
    async with services.db.session() as session:
        await services.audit.append(session, Entry(event="settings.started", private={"digest": digest}))
        await session.commit()


def _filler(services: Services) -> Any:
    async def fill(trip_id: UUID, audience: Audience, after: int) -> Sequence[Numbered]:
        view = await services.views.access_view(services.pool, trip_id)
        return await access_missed(services.pool, services.keyring, view, audience, after)

    return fill


def _mark_reader(services: Services) -> Any:
    async def read(trip_ids: Sequence[UUID], seconds: float) -> Sequence[Whisper]:
        since = services.clock.now() - timedelta(seconds=seconds)
        return await access_newest_marks(services.pool, trip_ids, since)

    return read


def _listener(services: Services, watch: PolicyWatch) -> Any:
    """What every process forgets when another one says that somebody's access has changed."""

    def listen(control: Control) -> None:
        if control.kind == "templates_changed":
            services.templates.forget()
            return
        if control.kind == "policy_changed":
            watch.ring()
            return
        if control.kind == "bells_missed":
            watch.ring()
            services.templates.forget()
            services.views.forget()
            services.standings.forget()
        if control.kind in ("keys_destroyed", "bells_missed"):
            services.keyring.clear()
        if control.trip_id is not None:
            services.views.forget(control.trip_id)
        if control.user_id is not None or control.kind == "token_revoked":
            services.standings.forget(control.user_id)
        if control.user_id is not None and control.kind == "user_changed":
            services.views.forget_user(control.user_id)

    return listen
