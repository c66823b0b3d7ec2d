"""Numbers of a process that was killed are closed; numbers that somebody took away are not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.audit import AuditLog, Entry
from backend.audit.producers import beat, kept_closed
from backend.audit.sequencing import run_once
from tests.backend.audit.writing import codes, judged

pytestmark = pytest.mark.usefixtures("empty_log")


async def write(db, audit: AuditLog, count: int = 1, *, commit: bool = True) -> None:
    for _ in range(count):
        async with db.session() as session:
            await audit.append(session, Entry(event="trip.opened"))
            if commit:
                await session.commit()


async def killed_with_open_numbers(db, audit, clock) -> None:
    """Its last beat, then two acts that commit around two that do not, then nothing."""
    await write(db, audit, 3)
    await beat(db, clock, audit)
    lost = await audit.prepare(Entry(event="trip.opened"))
    await write(db, audit)
    await audit.prepare(Entry(event="trip.opened"))
    await write(db, audit)
    assert (lost.pseq, audit.closed_up_to) == (4, 3)


async def test_the_numbers_of_a_process_that_was_killed_are_closed_by_the_sequencer(db, audit, clock, signer):
    await killed_with_open_numbers(db, audit, clock)
    clock.move(timedelta(seconds=59))
    await run_once(db, clock, signer)
    clock.move(timedelta(seconds=62))  # a process takes its last second to die; entries settle within 60
    assert codes(await judged(db, audit, clock, signer)) == {"number_missing"}
    await run_once(db, clock, signer)
    await run_once(db, clock, signer)
    clock.move(timedelta(seconds=2))
    await run_once(db, clock, signer)
    report = await judged(db, audit, clock, signer)
    assert (report.exit_code, report.counts["lost numbers"]) == (0, 2)


async def test_a_dead_process_is_buried_once(db, audit, clock, signer):
    await killed_with_open_numbers(db, audit, clock)
    clock.move(timedelta(minutes=2))
    for _ in range(5):
        await run_once(db, clock, signer)
    assert await db.pool.fetchval("SELECT count(*) FROM audit_entry WHERE event = 'void'") == 2


async def test_a_process_that_comes_back_after_its_burial_goes_on_without_fault(db, audit, clock, signer):
    await write(db, audit)
    await beat(db, clock, audit)
    late = await audit.prepare(Entry(event="trip.opened"))
    await write(db, audit)
    clock.move(timedelta(minutes=2))
    await run_once(db, clock, signer)
    from backend.audit.intake import INSERT_SQL

    await db.pool.execute(INSERT_SQL, *late.columns)
    audit.settle(late, committed=True)
    await beat(db, clock, audit)
    clock.move(timedelta(seconds=2))
    await run_once(db, clock, signer)
    assert (await judged(db, audit, clock, signer)).exit_code == 0
    assert await db.pool.fetchval("SELECT ended_at FROM audit_producer WHERE boot = $1", audit.boot) is None


async def test_an_entry_that_was_taken_out_of_the_intake_is_not_covered_up_by_the_burial(db, audit, clock, signer):
    await write(db, audit, 5)
    await beat(db, clock, audit)
    await db.pool.execute("DELETE FROM audit_intake WHERE id = (SELECT min(id) + 2 FROM audit_intake)")
    clock.move(timedelta(minutes=5))
    for _ in range(3):
        await run_once(db, clock, signer)
    report = await judged(db, audit, clock, signer)
    assert (codes(report), report.exit_code) == ({"number_missing"}, 2)


async def test_a_process_that_ends_in_good_order_leaves_nothing_open(db, audit, clock, signer):
    async with kept_closed(db, clock, audit, every_s=60):
        await write(db, audit, 2)
        await write(db, audit, 2, commit=False)
        assert audit.closed_up_to == 2
    row = await db.pool.fetchrow("SELECT closed_up_to, ended_at FROM audit_producer WHERE boot = $1", audit.boot)
    assert (row["closed_up_to"], row["ended_at"]) == (4, clock.now())
    await run_once(db, clock, signer)
    assert (await judged(db, audit, clock, signer)).findings == []


async def test_a_process_that_stops_with_an_open_number_is_one_that_died(db, audit, clock, signer):
    async with kept_closed(db, clock, audit):
        await write(db, audit)
        await audit.prepare(Entry(event="trip.opened"))
        await write(db, audit)
    clock.move(timedelta(minutes=2))
    for _ in range(3):
        await run_once(db, clock, signer)
        clock.move(timedelta(seconds=2))
    report = await judged(db, audit, clock, signer)
    assert (report.exit_code, report.counts["lost numbers"]) == (0, 1)
