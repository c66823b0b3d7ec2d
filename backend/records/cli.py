"""`tripwarden retention report|run|schedule|holds`: retention from a terminal, on this installation's database."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from backend.audit import AuditLog
from backend.clock import Clock, SystemClock
from backend.db import Database
from backend.errors import ProblemError
from backend.keys import KeyFileError, Keyring, LocalRootKey
from backend.records.reporting import make_report
from backend.records.service import RetentionDesk
from backend.settings import Settings, load
from retention.reports import as_csv, as_json


@dataclass(frozen=True)
class _Parts:
    db: Database
    keyring: Keyring
    audit: AuditLog
    clock: Clock


def _day(raw: str) -> date:
    try:
        return date.fromisoformat(raw)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a day is written 2026-11-22, not {raw!r}") from None


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="tripwarden retention", description="What is kept, and what dies when.")
    made.add_argument("--data-dir", type=Path, help="data directory of the installation")
    verbs = made.add_subparsers(dest="verb", required=True)
    report = verbs.add_parser("report", help="the report of a period")
    report.add_argument("--from", dest="first", type=_day, required=True, help="first day, UTC")
    report.add_argument("--to", dest="last", type=_day, required=True, help="last day, UTC, included")
    report.add_argument("--format", choices=("json", "csv"), default="json")
    report.add_argument("--out", type=Path, help="file to write (default: print)")
    run_verb = verbs.add_parser("run", help="dispose of what is due")
    run_verb.add_argument("--dry-run", action="store_true", help="count only, change nothing")
    run_verb.add_argument("--date", type=_day, help="what was due on this day (default: today, UTC)")
    verbs.add_parser("schedule", help="how long each market keeps each class")
    verbs.add_parser("holds", help="the legal holds")
    return made


def run(argv: list[str], data_dir: Path | None = None) -> int:
    """0: done; 1: the database or the log refused; 2: a wrong argument or setting."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as left:
        return int(left.code or 0)
    try:
        settings = load(data_dir=args.data_dir or data_dir)
        if not settings.database.url:
            print("tripwarden retention: no database: start `tripwarden up` or set its URL", file=sys.stderr)
            return 2
        return asyncio.run(_run(settings, args))
    except (ProblemError, KeyFileError) as error:
        print(f"tripwarden retention: {error}", file=sys.stderr)
        return 2
    except (OSError, SQLAlchemyError) as error:
        print(
            f"tripwarden retention: {type(error).__name__}: the database cannot be reached or refuses", file=sys.stderr
        )
        return 1


#: The verb's handler under the name that other commands use for theirs.
main = run


@asynccontextmanager
async def _parts(settings: Settings) -> AsyncGenerator[_Parts]:
    db, clock = Database(settings.database), SystemClock()
    await db.open()
    try:
        keyring = Keyring(db, LocalRootKey.load(settings.data.dir, settings.key.root_file), clock)
        audit = AuditLog(db, keyring, clock, "retention-cli", origin=settings.audit.origin)
        yield _Parts(db, keyring, audit, clock)
        await audit.flush_voids()
    finally:
        await db.close()


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    verbs = {"report": _report, "run": _dispose, "schedule": _schedule, "holds": _holds}
    async with _parts(settings) as parts:
        await verbs[args.verb](parts, args)
    return 0


async def _report(parts: _Parts, args: argparse.Namespace) -> None:
    desk = RetentionDesk(parts)
    async with parts.db.session() as session:
        made = await make_report(session, desk.standing, parts.clock, args.first, args.last)
        await desk.note_export(session, args.first, args.last, args.format, None)
        await session.commit()
    body = as_csv(made) if args.format == "csv" else as_json(made)
    if args.out is not None:
        args.out.write_bytes(body)
    else:
        sys.stdout.write(body.decode())


async def _dispose(parts: _Parts, args: argparse.Namespace) -> None:
    """Do what can be done now; what waits in quarantine is ended by the sweepers, or by this command an hour later."""
    desk = RetentionDesk(parts)
    async with parts.db.session() as session:
        made = await desk.start(session, "dry" if args.dry_run else "manual", today=args.date)
        found = {
            "id": str(made.id),
            "kind": made.kind,
            "for_date": str(made.for_date),
            "status": made.status,
            "expected": made.expected,
            "counts": made.counts,
        }
        await session.commit()
    if made.status == "running":
        found["status"] = await desk.advance(made.id)
    _print(found)


async def _schedule(parts: _Parts, args: argparse.Namespace) -> None:
    async with parts.db.session() as session:
        schedules = await RetentionDesk(parts).standing.schedules(session)
    for market, schedule in sorted(schedules.items()):
        print(f"{market} (version {schedule.version})")
        for rule in schedule.rules:
            days = f"{rule.minimum_days:>6} to {rule.maximum_days:>6} days"
            print(f"  {rule.record_class:<14}{days}  {rule.basis}")


async def _holds(parts: _Parts, args: argparse.Namespace) -> None:
    async with parts.db.session() as session:
        holds = await RetentionDesk(parts).standing.holds(session)
    _print(holds)


def _print(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
