"""What the log costs: `python -m backend.audit.bench --database-url URL` prints JSON.

The database has to be migrated and its log empty: the benchmark fills it, and a log is never emptied.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import msgspec

from backend.audit.entry import Entry
from backend.audit.export import export
from backend.audit.intake import INSERT_SQL, AuditLog
from backend.audit.note import Signer
from backend.audit.sequencing import run_once
from backend.audit.verify_database import verify_database
from backend.audit.verify_export import verify_export
from backend.clock import SystemClock
from backend.db import Database, new_id
from backend.keys import Keyring, LocalRootKey
from backend.settings import DatabaseSettings

ORIGIN = "bench.example/audit"
CONNECTIONS = 8
INTERVAL_S = 0.15
_SUBJECTS = 500

_Write = Callable[[list[Entry]], Awaitable[None]]


class Sustained(msgspec.Struct, frozen=True):
    """A run of appending and sequencing at once. CPU: of this process, producers and sequencer together."""

    rows_per_commit: int
    way: str
    entries: int
    entries_per_s: float
    sequenced_ms_p50: float
    sequenced_ms_p95: float
    cpu_us_per_entry: float


class Figures(msgspec.Struct, frozen=True):
    """Everything that was measured."""

    machine: str
    prepare_us: float
    seal_us: float
    sustained: list[Sustained]
    verified_entries: int
    verify_database_per_s: float
    verify_export_per_s: float
    export_bytes_per_entry: float


class Bench:
    """One benchmark on one empty log."""

    def __init__(self, db: Database) -> None:
        self.db, self.clock = db, SystemClock()
        self.keyring = Keyring(db, LocalRootKey(os.urandom(32)), self.clock)
        self.audit = AuditLog(db, self.keyring, self.clock, "bench-1", "policy-1", origin=ORIGIN)
        self.signer = Signer(ORIGIN, os.urandom(32))
        self._people = [new_id() for _ in range(_SUBJECTS)]
        self._committed: list[float] = []

    def entry(self, number: int) -> Entry:
        """What the send of a message writes."""
        return Entry(
            event="message.accepted",
            trip_id=UUID(int=number // 40),
            person_id=self._people[number % _SUBJECTS],
            counts={"chars": number % 200},
            private={"message_id": str(UUID(int=number)), "role": "driver"},
        )

    async def run(self, seconds: float) -> Figures:
        """All measurements; about three times `seconds` and the time to verify."""
        for number in range(_SUBJECTS):
            await self.audit.keys.ensure(str(self._people[number]), self.clock.now())
        prepare_us, seal_us = await self._prepare(), self._seal()
        sustained = [
            await self._sustained(seconds, 1, self._by_driver, "asyncpg"),
            await self._sustained(seconds, 10, self._by_driver, "asyncpg"),
            await self._sustained(seconds, 10, self._by_session, "session"),
        ]
        await asyncio.sleep(1.1)
        await run_once(self.db, self.clock, self.signer)
        entries, by_database, by_export, size = await self._verify()
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        return Figures(machine, prepare_us, seal_us, sustained, entries, by_database, by_export, size)

    async def _prepare(self) -> float:
        # A log that writes nothing: its numbers must not leave a gap in the one that is verified.
        audit = AuditLog(self.db, self.keyring, self.clock, "bench-2", "policy-1", origin=ORIGIN)
        await audit.keys.ensure(str(self._people[0]), self.clock.now())
        entry, rounds = self.entry(0), 20_000
        begin = time.process_time()
        for _ in range(rounds):
            await audit.prepare(entry)
        return _round((time.process_time() - begin) / rounds * 1e6)

    def _seal(self) -> float:
        key, rounds = self.keyring.sealer("bench"), 50_000
        begin = time.process_time()
        for _ in range(rounds):
            key.seal(b"I am at the east gate, by the flower stall", b"a" * 52)
        return _round((time.process_time() - begin) / rounds * 1e6)

    async def _sustained(self, seconds: float, rows: int, write: _Write, way: str) -> Sustained:
        self._committed = []
        stop = time.perf_counter() + seconds
        cpu = time.process_time()
        begin = time.perf_counter()
        producing = asyncio.gather(*(self._produce(stop, rows, write) for _ in range(CONNECTIONS)))
        waited = await self._sequence(producing)
        wall = time.perf_counter() - begin
        cpu = time.process_time() - cpu
        count = len(self._committed)
        return Sustained(
            rows,
            way,
            count,
            _round(count / wall),
            _round(waited[len(waited) // 2] * 1e3),
            _round(waited[int(len(waited) * 0.95)] * 1e3),
            _round(cpu / count * 1e6),
        )

    async def _produce(self, stop: float, rows: int, write: _Write) -> None:
        number = int(time.time_ns()) % 10**9
        while time.perf_counter() < stop:
            await write([self.entry(number + turn) for turn in range(rows)])
            self._committed.extend([time.perf_counter()] * rows)
            number += rows

    async def _by_driver(self, entries: list[Entry]) -> None:
        prepared = [await self.audit.prepare(entry) for entry in entries]
        async with self.db.pool.acquire() as connection, connection.transaction():
            await connection.executemany(INSERT_SQL, [one.columns for one in prepared])

    async def _by_session(self, entries: list[Entry]) -> None:
        async with self.db.session() as session:
            await self.audit.append(session, *entries)
            await session.commit()

    async def _sequence(self, producing: asyncio.Future[list[None]]) -> list[float]:
        """Sequence until all is placed; how long each entry waited, sorted."""
        placed, waited = 0, list[float]()
        while not producing.done() or placed < len(self._committed):
            placed += await run_once(self.db, self.clock, self.signer)
            now = time.perf_counter()
            waited.extend(now - at for at in self._committed[len(waited) : placed])
            await asyncio.sleep(INTERVAL_S)
        await producing
        return sorted(waited)

    async def _verify(self) -> tuple[int, float, float, float]:
        begin = time.perf_counter()
        report = await verify_database(self.db, self.clock, self.signer.verifier, keys=self.audit.keys)
        by_database = time.perf_counter() - begin
        file = io.BytesIO()
        entries = await export(self.db, self.signer.verifier, file.write)
        file.seek(0)
        begin = time.perf_counter()
        offline = verify_export(file, key=self.signer.verifier)
        by_export = time.perf_counter() - begin
        if report.exit_code or offline.exit_code:
            raise RuntimeError("\n".join([*report.lines(), *offline.lines()]))
        return entries, _round(entries / by_database), _round(entries / by_export), _round(file.tell() / entries)


async def measure(url: str, seconds: float) -> Figures:
    """Run the benchmark. Raises `RuntimeError` when the log is not empty."""
    db = Database(DatabaseSettings(url=url))
    await db.open()
    try:
        if await db.pool.fetchval("SELECT EXISTS (SELECT FROM audit_entry) OR EXISTS (SELECT FROM audit_intake)"):
            raise RuntimeError("this log is not empty: the benchmark needs a database of its own")
        return await Bench(db).run(seconds)
    finally:
        await db.close()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m backend.audit.bench", description="What the log costs, as JSON.")
    parser.add_argument("--database-url", required=True, help="a migrated database whose log is empty")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each of the three runs")
    chosen = parser.parse_args(argv)
    try:
        figures = asyncio.run(measure(chosen.database_url, chosen.seconds))
    except RuntimeError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    return 0


def _round(value: float) -> float:
    return round(value, 1)


if __name__ == "__main__":
    sys.exit(main())
