"""Filling a log for a test."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from backend.audit import AuditLog, Entry
from backend.audit.note import Signer
from backend.audit.report import Report
from backend.audit.sequencing import run_once
from backend.audit.verify_database import verify_database
from backend.clock import MovableClock
from backend.db import Database

PEOPLE = [UUID(int=n + 1) for n in range(4)]
STAFF = UUID(int=77)


async def fill(db: Database, audit: AuditLog, clock: MovableClock, signer: Signer, count: int, step: int = 100) -> None:
    """`count` entries, a checkpoint after every `step`."""
    written = 0
    while written < count:
        async with db.session() as session:
            for _ in range(min(step, count - written)):
                await audit.append(
                    session,
                    Entry(
                        event="message.accepted",
                        trip_id=uuid4(),
                        person_id=PEOPLE[written % len(PEOPLE)],
                        staff_id=STAFF,
                        private={"turn": written},
                    ),
                )
                written += 1
            await session.commit()
        clock.move(timedelta(seconds=2))
        await run_once(db, clock, signer)


async def judged(db: Database, audit: AuditLog, clock: MovableClock, signer: Signer, *kept: str) -> Report:
    return await verify_database(db, clock, signer.verifier, keys=audit.keys, kept_elsewhere=kept)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings if finding.grade != "note"}


def named(report: Report) -> set[int]:
    return {finding.index for finding in report.findings if finding.index is not None}
