"""Is this process alive, is it ready, and what has it counted."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from backend.api.guards import open_to_all
from backend.db import SCHEMA_HEAD
from backend.pipeline.services import Services
from backend.push.access import access_counts

log = structlog.get_logger()
PATIENCE_S = 2.0


class Part(msgspec.Struct, kw_only=True):
    """One part that this process needs."""

    ok: bool
    ms: float
    detail: str = ""


class Readiness(msgspec.Struct, kw_only=True):
    """`ready`; `degraded`: serves, but slower (Valkey is only a bell); `unavailable`."""

    status: str
    parts: dict[str, Part]
    pid: int


async def _try(work: Awaitable[Any]) -> Part:
    started = time.perf_counter()
    try:
        detail = await asyncio.wait_for(work, PATIENCE_S)
    except Exception as error:  # noqa: BLE001  (whatever it is, the part is not ready, and its name says more)
        return Part(ok=False, ms=_ms(started), detail=type(error).__name__)
    return Part(ok=not detail, ms=_ms(started), detail=detail or "")


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


async def _migrated(services: Services) -> str:
    version = await services.pool.fetchval("SELECT version_num FROM alembic_version")
    return "" if version == SCHEMA_HEAD else f"schema is at {version}, this code needs {SCHEMA_HEAD}"


async def _database(services: Services) -> str:
    await services.pool.fetchval("SELECT 1")
    return ""


async def _valkey(services: Services) -> str:
    await services.redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]
    return ""


async def _hub(services: Services) -> str:
    return "" if services.hub.bus.connected else "not subscribed; delivery between processes waits for the re-check"


@get("/health/live", guards=[open_to_all], tags=["health"])
async def live() -> dict[str, str]:
    """This process answers."""
    return {"status": "alive"}


@get("/health/ready", guards=[open_to_all], tags=["health"])
async def ready(services: NamedDependency[Services]) -> Response[Readiness]:
    """Every part by its name; 503 when a message could not be stored."""
    names: tuple[str, ...] = ("database", "migrations", "valkey", "hub")
    checks = await asyncio.gather(*(_try(check(services)) for check in (_database, _migrated, _valkey, _hub)))
    parts: dict[str, Part] = dict(zip(names, checks, strict=True))
    needed = parts["database"].ok and parts["migrations"].ok
    status = "ready" if all(part.ok for part in checks) else "degraded" if needed else "unavailable"
    return Response(Readiness(status=status, parts=parts, pid=os.getpid()), status_code=200 if needed else 503)


class _Collector:
    """Reads the counters of this process when somebody asks; nothing is counted twice.

    Processes may share one address, so every sample names its own by `pid`; what stands in rows is the same from each.
    """

    def __init__(self, services: Services, pushes: dict[str, int]) -> None:
        self._services, self._pushes = services, pushes

    def collect(self) -> Any:
        """Metric families in Prometheus' own types."""
        hub, sender = self._services.hub, self._services.sender
        pid = str(os.getpid())
        name, sentence = "tripwarden_messages", "Messages by what became of them."
        messages = CounterMetricFamily(name, sentence, labels=["status", "pid"])
        for status, count in sender.counts.items():
            messages.add_metric([status, pid], count)
        yield messages
        for kind, name, sentence, value in (
            (GaugeMetricFamily, "tripwarden_sockets", "Open sockets.", hub.sockets()),
            (GaugeMetricFamily, "tripwarden_trips_local", "Trips with a socket here.", len(hub.local_trips())),
            (CounterMetricFamily, "tripwarden_gaps_filled", "Gaps read from PostgreSQL.", hub.gaps_filled),
            (CounterMetricFamily, "tripwarden_bells_dropped", "Bells dropped.", hub.bus.dropped),
            (GaugeMetricFamily, "tripwarden_bus_connected", "Subscribed to Valkey.", float(hub.bus.connected)),
        ):
            family = kind(name, sentence, labels=["pid"])
            family.add_metric([pid], value)
            yield family
        if self._pushes:
            pushes = GaugeMetricFamily("tripwarden_pushes", "Pushes not sent yet, and given up.", labels=["state"])
            for state, count in self._pushes.items():
                pushes.add_metric([state], count)
            yield pushes


async def _pushes(services: Services) -> dict[str, int]:
    """What waits to be pushed and what never got out; empty where nothing is pushed or the database is away."""
    if services.pusher is None:
        return {}
    try:
        return await asyncio.wait_for(access_counts(services.pool), PATIENCE_S)
    except Exception as error:  # noqa: BLE001  (the counters of this process are told all the same)
        log.warning("metrics.no_pushes", error=type(error).__name__)
        return {}


@get("/metrics", guards=[open_to_all], media_type=MediaType.TEXT, tags=["health"])
async def metrics(services: NamedDependency[Services]) -> Response[bytes]:
    """Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(services, await _pushes(services)))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")


router = Router("/", route_handlers=[live, ready, metrics])
