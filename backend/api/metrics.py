"""Counters for Prometheus. Several api processes share one address: whoever is asked asks the others, too.

Each process listens at a Unix socket of its own in the data directory and writes its families to whoever connects.
Nothing is counted twice and nothing is sent about until somebody asks; a process that died has no samples any more.
Each host answers for its own processes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from backend.api.guards import open_to_all
from backend.api.sockets.registry import SocketRegistry
from backend.escalation.queueing import QUEUE as PAGES
from backend.pipeline.services import Services
from backend.push.access import access_counts
from backend.push.queueing import QUEUE as PUSHES
from retention.jobs import QUEUE as DISPOSITION

log = structlog.get_logger()

PATIENCE_S = 2.0
#: A sibling that does not answer within this is left out and counted as silent.
SIBLING_WITHIN_S = 1.0
LONGEST_ANSWER, MOST_SIBLINGS = 1 << 20, 128
#: `sockaddr_un` holds 108 bytes.
LONGEST_PATH = 100

COUNTER, GAUGE = "counter", "gauge"

_ROWS = """SELECT (SELECT count(*) FROM (SELECT FROM audit_intake LIMIT 100000) AS first) AS waiting,
    coalesce((SELECT tree_size FROM audit_state WHERE id = 1), 0) AS entries,
    (SELECT count(*) FROM incident WHERE status <> 'resolved') AS incidents"""


class Family(msgspec.Struct, frozen=True):
    """One metric: its labels' names, and values by the labels' values."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...]
    samples: list[tuple[tuple[str, ...], float]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Family]).decode


def own_families(services: Services, sockets: SocketRegistry) -> list[Family]:
    """What this process has counted. `sockets`: its registry."""
    pid = str(os.getpid())
    hub: Any = services.hub
    shared = services.limits.shared

    def one(kind: str, name: str, sentence: str, value: float | None) -> list[Family]:
        return [] if value is None else [Family(kind, f"tripwarden_{name}", sentence, ("pid",), [((pid,), value)])]

    def several(name: str, sentence: str, label: str, counts: Mapping[Any, float] | None) -> list[Family]:
        if not counts:
            return []
        samples = [((str(key), pid), float(value)) for key, value in sorted(counts.items())]
        return [Family(COUNTER, f"tripwarden_{name}", sentence, (label, "pid"), samples)]

    return [
        *several("messages", "Messages by what became of them.", "status", services.sender.counts),
        *several("send_batches", "Commits by how many messages they held.", "size", services.sender.batches),
        *several("resumes", "Sockets that joined, by how.", "how", sockets.counts),
        *several("refused", "Refusals by the limit that was met.", "limit", services.limits.refused()),
        *several("policies", "Policies that came into force, were refused.", "how", services.moderation.counts),
        *several("shadow", "Messages judged by a shadow, and its other answers.", "how", services.shadows.counts),
        *one(GAUGE, "sockets", "Open sockets.", hub.sockets()),
        *one(GAUGE, "trips_local", "Trips with a socket here.", len(hub.local_trips())),
        *one(GAUGE, "neighbours", "Other processes with a socket, as far as this one has heard.", hub.neighbours),
        *one(COUNTER, "limits_answered", "Rounds in which Valkey joined the limits of all processes.", shared.answered),
        *one(COUNTER, "limits_missed", "Rounds in which it did not.", shared.missed),
        *one(COUNTER, "gaps_filled", "Gaps read from PostgreSQL.", hub.gaps_filled),
        *one(COUNTER, "bells_rung", "Bells given to Valkey.", hub.bus.rung),
        *one(COUNTER, "bell_writes", "Writes to Valkey that carried them.", hub.bus.writes),
        *one(COUNTER, "bells_dropped", "Bells dropped.", hub.bus.dropped),
        *one(GAUGE, "bus_connected", "Subscribed to Valkey.", float(hub.bus.connected)),
    ]


class Siblings:
    """The api processes of one data directory."""

    def __init__(self, data_dir: Path, own: Callable[[], list[Family]]) -> None:
        self.directory = _directory(data_dir)
        self._path = self.directory / f"{os.getpid()}-{secrets.token_hex(4)}.sock"
        self._own = own
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Answer the others. A place that cannot be used is said once; this process then answers for itself alone."""
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            if self.directory.stat().st_uid != os.geteuid():
                raise PermissionError(f"{self.directory} belongs to somebody else")
            self._server = await asyncio.start_unix_server(self._tell, self._path)
        except OSError as error:
            log.warning("metrics.alone", error=repr(error))

    async def stop(self) -> None:
        """Be no sibling any more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def ask(self) -> tuple[list[list[Family]], int]:
        """The families of every process, this one first, and how many processes are silent."""
        others = [path for path in self.directory.glob("*.sock") if path != self._path][:MOST_SIBLINGS]
        answers = await asyncio.gather(*(self._ask_one(path) for path in others))
        heard = [answer for answer in answers if isinstance(answer, list)]
        return [self._own(), *heard], sum(answer == "silent" for answer in answers)

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(_encode(self._own()))
            await writer.drain()
        finally:
            writer.close()

    async def _ask_one(self, path: Path) -> list[Family] | str:
        try:
            async with asyncio.timeout(SIBLING_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    return _decode(await _read_all(reader))
                finally:
                    writer.close()
        except (ConnectionRefusedError, FileNotFoundError):
            _forget(path)
            return "gone"
        except (OSError, TimeoutError, msgspec.MsgspecError) as error:
            log.warning("metrics.silent", sibling=path.stem, error=type(error).__name__)
            return "silent"


def _forget(path: Path) -> None:
    """Its process died: a socket that nobody listens at stays in its directory."""
    path.unlink(missing_ok=True)


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    whole = b""
    while more := await reader.read(64 * 1024):
        whole += more
        if len(whole) > LONGEST_ANSWER:
            raise OSError("a sibling told too much")
    return whole


def _directory(data_dir: Path) -> Path:
    wanted = data_dir.absolute() / "metrics"
    if len(os.fsencode(wanted)) + 32 <= LONGEST_PATH:
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tripwarden-{os.geteuid()}-{name}"


async def shared_families(services: Services, silent: int) -> list[Family]:
    """What is the same whoever is asked: queues, rows, siblings. What cannot be read is left out and said."""
    rows, queues, pushes = await asyncio.gather(
        _patiently("rows", services.pool.fetchrow(_ROWS)),
        _patiently("queues", _queue_lengths(services)),
        _patiently("pushes", access_counts(services.pool) if services.pusher is not None else _none()),
    )
    return [
        Family(GAUGE, "tripwarden_processes_silent", "Processes here that did not answer.", (), [((), silent)]),
        *(_by("tripwarden_queue_length", "Messages for the workers that wait.", "queue", queues)),
        *(_by("tripwarden_pushes", "Pushes not sent yet, and given up.", "state", pushes)),
        *(_by("tripwarden_rows", "Entries without a place, entries of the log, open incidents.", "kind", rows)),
    ]


def _by(name: str, sentence: str, label: str, values: Mapping[str, int] | None) -> list[Family]:
    if not values:
        return []
    return [Family(GAUGE, name, sentence, (label,), [((key,), float(value)) for key, value in values.items()])]


async def _patiently(what: str, work: Awaitable[Any]) -> Any:
    try:
        return await asyncio.wait_for(work, PATIENCE_S)
    except Exception as error:  # noqa: BLE001  (the counters of the processes are told all the same)
        log.warning("metrics.unread", what=what, error=type(error).__name__)
        return None


async def _none() -> None:
    return None


async def _queue_lengths(services: Services) -> dict[str, int]:
    namespace: str = cast("Any", services.broker).namespace
    names = (PAGES, PUSHES, DISPOSITION)
    async with cast("Any", services.redis).pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(f"{namespace}:{name}")
        return dict(zip(names, await pipe.execute(), strict=True))


class _Merged:
    """Families of several processes, each told once with all its samples."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families: dict[str, Family] = {}
        for family in families:
            known = self._families.get(family.name)
            if known is None:
                self._families[family.name] = family
            elif known.labels == family.labels:
                self._families[family.name] = msgspec.structs.replace(known, samples=known.samples + family.samples)

    def collect(self) -> Iterable[Any]:
        """Prometheus' own types."""
        for family in self._families.values():
            kind = CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily
            told = kind(family.name, family.help, labels=family.labels)
            summed: Counter[tuple[str, ...]] = Counter()
            for labels, value in family.samples:
                summed[tuple(labels)] += value  # pyright: ignore[reportArgumentType]  (two of one pid in a test)
            for labels, value in summed.items():
                told.add_metric(labels, value)
            yield told


def text_of(families: Sequence[Family]) -> bytes:
    """Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(cast("Any", _Merged(families)))
    return generate_latest(registry)


@get("/metrics", guards=[open_to_all], media_type=MediaType.TEXT, tags=["health"])
async def metrics(services: NamedDependency[Services], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Prometheus text format, of all api processes of this host."""
    siblings: Siblings = request.app.state.siblings
    heard, silent = await siblings.ask()
    families = [family for one in heard for family in one] + await shared_families(services, silent)
    return Response(text_of(families), media_type="text/plain; version=0.0.4; charset=utf-8")
