"""Is this process alive, and is it ready."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency

from backend.api.guards import open_to_all
from backend.api.metrics import metrics
from backend.db import SCHEMA_HEAD
from backend.pipeline.services import Services

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


router = Router("/", route_handlers=[live, ready, metrics])
