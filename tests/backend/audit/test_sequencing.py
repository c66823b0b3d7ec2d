"""Every committed act gets one place in the tree; a rolled-back one leaves only a void; two leaders never collide."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from backend.audit import AuditLog, Entry
from backend.audit.leaf import check_leaf, leaf_hash
from backend.audit.merkle import root_of
from backend.audit.sequencing import Sequencer, run_once
from backend.audit.store import LogBroken

pytestmark = pytest.mark.usefixtures("empty_log")


async def write(db, audit: AuditLog, count: int = 1, *, commit: bool = True, event: str = "message.accepted") -> None:
    async with db.session() as session:
        for _ in range(count):
            await audit.append(
                session, Entry(event=event, trip_id=uuid4(), person_id=uuid4(), private={"role": "driver"})
            )
        if commit:
            await session.commit()


async def leaves(db) -> list:
    rows = await db.pool.fetch("SELECT entry_index, leaf FROM audit_entry ORDER BY entry_index")
    assert [row["entry_index"] for row in rows] == list(range(len(rows)))
    return [check_leaf(row["leaf"]) for row in rows]


async def check_tree(db) -> int:
    rows = await db.pool.fetch("SELECT leaf FROM audit_entry ORDER BY entry_index")
    state = await db.pool.fetchrow("SELECT tree_size, root_hash FROM audit_state")
    assert state["root_hash"] == root_of([leaf_hash(row["leaf"]) for row in rows])
    assert state["tree_size"] == len(rows)
    return len(rows)


async def test_entries_get_places_in_the_order_of_their_commits(db, audit, clock, signer):
    for _ in range(5):
        await write(db, audit)
    assert await run_once(db, clock, signer) == 5
    assert [leaf.pseq for leaf in await leaves(db)] == [1, 2, 3, 4, 5]
    assert await check_tree(db) == 5
    assert await db.pool.fetchval("SELECT count(*) FROM audit_intake") == 0
    assert await run_once(db, clock, signer) == 0


async def test_the_leaf_holds_no_id_of_a_person_or_trip(db, audit, clock, signer):
    trip, person = uuid4(), uuid4()
    async with db.session() as session:
        await audit.append(
            session, Entry(event="case.decided", trip_id=trip, person_id=person, private={"why": "secret word"})
        )
        await session.commit()
    await run_once(db, clock, signer)
    row = dict(await db.pool.fetchrow("SELECT * FROM audit_entry"))
    stored = b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
    for hint in (str(trip).encode(), trip.bytes, person.hex.encode(), person.bytes, b"secret word"):
        assert hint not in stored


@pytest.mark.parametrize("end", ["rollback", "close", "savepoint"])
async def test_an_act_that_came_to_nothing_leaves_a_void_and_nothing_else(db, audit, clock, signer, end):
    async with db.session() as session:
        if end == "savepoint":
            savepoint = await session.begin_nested()
            await audit.append(session, Entry(event="case.opened"))
            await savepoint.rollback()
            await session.commit()
        else:
            await audit.append(session, Entry(event="case.opened"))
            if end == "rollback":
                await session.rollback()
    await write(db, audit)
    await run_once(db, clock, signer)
    assert sorted((leaf.pseq, leaf.ev) for leaf in await leaves(db)) == [(1, "void"), (2, "message.accepted")]


async def test_a_commit_that_fails_leaves_a_void(db, audit, clock, signer):
    await db.pool.execute("CREATE TABLE IF NOT EXISTS late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    async with db.session() as session:
        await audit.append(session, Entry(event="case.opened"))
        await session.execute(text("INSERT INTO late VALUES (1), (1)"))
        with pytest.raises(Exception, match="duplicate key"):
            await session.commit()
    assert await audit.flush_voids() == 1
    await run_once(db, clock, signer)
    assert [(leaf.pseq, leaf.ev) for leaf in await leaves(db)] == [(1, "void")]


async def test_a_void_whose_own_transaction_rolls_back_is_written_again(db, audit, clock, signer):
    await write(db, audit, commit=False)
    await write(db, audit, commit=False)
    await write(db, audit)
    await run_once(db, clock, signer)
    found = sorted((leaf.pseq, leaf.ev) for leaf in await leaves(db))
    assert found == [(1, "void"), (2, "void"), (3, "message.accepted")]


async def test_an_entry_inside_a_released_savepoint_counts_with_its_transaction(db, audit, clock, signer):
    async with db.session() as session:
        async with session.begin_nested():
            await audit.append(session, Entry(event="case.opened"))
        await session.commit()
    async with db.session() as session:
        async with session.begin_nested():
            await audit.append(session, Entry(event="case.opened"))
        await session.rollback()
    await audit.flush_voids()
    await run_once(db, clock, signer)
    assert [(leaf.pseq, leaf.ev) for leaf in await leaves(db)] == [(1, "case.opened"), (2, "void")]


async def test_an_entry_prepared_for_a_function_of_the_database_is_settled_by_hand(db, audit, clock, signer):
    from backend.audit.intake import INSERT_SQL

    sent = await audit.prepare(Entry(event="message.accepted", trip_id=uuid4()))
    await db.pool.execute(INSERT_SQL, *sent.columns)
    audit.settle(sent, committed=True)
    lost = await audit.prepare(Entry(event="message.accepted", trip_id=uuid4()))
    audit.settle(lost, committed=False)
    await audit.flush_voids()
    await run_once(db, clock, signer)
    assert [(leaf.pseq, leaf.ev) for leaf in await leaves(db)] == [(1, "message.accepted"), (2, "void")]


async def test_many_producers_and_sequencers_at_once_lose_and_double_nothing(db, keyring, clock, signer):
    producers = [AuditLog(db, keyring, clock, f"api-{n}", origin="example.com/audit") for n in range(4)]
    stop = asyncio.Event()

    async def sequence() -> int:
        placed = 0
        while not stop.is_set():
            placed += await run_once(db, clock, signer)
            await asyncio.sleep(0)
        return placed

    async def produce(audit: AuditLog) -> None:
        for turn in range(40):
            await write(db, audit, 3, commit=turn % 5 != 0)
        await audit.flush_voids()

    sequencers = [asyncio.create_task(sequence()) for _ in range(3)]
    await asyncio.gather(*(produce(audit) for audit in producers))
    stop.set()
    placed = sum(await asyncio.gather(*sequencers)) + await run_once(db, clock, signer)
    found = await leaves(db)
    assert placed == len(found) == await check_tree(db) == 4 * 120
    for audit in producers:
        assert sorted(leaf.pseq for leaf in found if leaf.boot == audit.boot) == list(range(1, 121))


async def test_a_backlog_larger_than_one_batch_is_worked_off_in_one_call(db, audit, clock, signer, monkeypatch):
    monkeypatch.setattr("backend.audit.sequencing.BATCH", 7)
    await write(db, audit, 30)
    assert await run_once(db, clock, signer) == 30
    assert await check_tree(db) == 30


async def test_a_leader_that_fails_in_the_middle_leaves_no_trace(db, audit, clock, signer):
    await write(db, audit, 3)
    await db.pool.execute("ALTER TABLE audit_tile ADD CONSTRAINT too_early CHECK (false)")
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await run_once(db, clock, signer)
    finally:
        await db.pool.execute("ALTER TABLE audit_tile DROP CONSTRAINT too_early")
    assert await db.pool.fetchval("SELECT count(*) FROM audit_entry") == 0
    assert await run_once(db, clock, signer) == 3
    assert await check_tree(db) == 3


async def test_who_read_a_tree_that_has_grown_since_places_nothing(db, audit, clock, signer):
    await write(db, audit, 3)
    slow = SlowReader(db.pool)
    placing = asyncio.create_task(Sequencer(clock, signer).go_on(slow))
    await slow.has_read.wait()
    assert await run_once(db, clock, signer) == 3
    slow.goes_on.set()
    assert await placing == 0
    assert await check_tree(db) == 3


async def test_an_entry_that_vanishes_while_it_waits_for_its_place_is_no_silent_loss(db, audit, clock, signer):
    await write(db, audit, 3)
    slow = SlowReader(db.pool)
    placing = asyncio.create_task(Sequencer(clock, signer).go_on(slow))
    await slow.has_read.wait()
    await db.pool.execute("DELETE FROM audit_intake WHERE id = (SELECT min(id) FROM audit_intake)")
    slow.goes_on.set()
    with pytest.raises(LogBroken, match="never placed"):
        await placing
    assert await db.pool.fetchval("SELECT count(*) FROM audit_entry") == 0
    assert await db.pool.fetchval("SELECT count(*) FROM audit_intake") == 2


class SlowReader:
    """A pool whose reader stops after its first read until it may go on."""

    def __init__(self, pool) -> None:
        self.pool = pool
        self.has_read, self.goes_on = asyncio.Event(), asyncio.Event()

    async def fetchrow(self, *arguments):
        row = await self.pool.fetchrow(*arguments)
        self.has_read.set()
        await self.goes_on.wait()
        return row

    async def fetchval(self, *arguments):
        return await self.pool.fetchval(*arguments)


async def test_checkpoints_come_at_most_once_a_second_and_never_twice_for_one_size(db, audit, clock, signer):
    for _ in range(3):
        await write(db, audit)
        await run_once(db, clock, signer)
    clock.move(timedelta(seconds=1))
    for _ in range(3):
        await run_once(db, clock, signer)
    rows = await db.pool.fetch("SELECT tree_size, root_hash, note FROM audit_checkpoint ORDER BY tree_size")
    assert [row["tree_size"] for row in rows] == [1, 3]
    for row in rows:
        checkpoint = signer.verifier.open(row["note"])
        assert (checkpoint.tree_size, checkpoint.root_hash) == (row["tree_size"], row["root_hash"])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit_tile SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1)",
        "UPDATE audit_state SET root_hash = sha256(root_hash)",
        "UPDATE audit_state SET tree_size = tree_size - 1",
        "DELETE FROM audit_tile",
    ],
)
async def test_a_tree_that_was_tampered_with_is_not_extended(db, audit, clock, signer, damage):
    await write(db, audit, 3)
    await run_once(db, clock, signer)
    await db.pool.execute(damage)
    await write(db, audit)
    with pytest.raises(LogBroken):
        await run_once(db, clock, signer)


async def test_a_sequencer_that_goes_on_notices_what_was_done_to_the_tree_in_between(db, audit, clock, signer):
    sequencer = Sequencer(clock, signer)
    for size in (3, 300, 700):
        await write(db, audit, size)
        assert await sequencer.go_on(db.pool) == size
    assert await check_tree(db) == 1003
    await db.pool.execute("UPDATE audit_tile SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1)")
    await write(db, audit)
    with pytest.raises(LogBroken):
        await sequencer.go_on(db.pool)


async def test_a_fork_is_never_signed(db, audit, clock, signer):
    await write(db, audit, 3)
    await run_once(db, clock, signer)
    await db.pool.execute("TRUNCATE audit_entry, audit_tile, audit_state")
    await write(db, audit, 5)
    clock.move(timedelta(seconds=5))
    with pytest.raises(LogBroken, match="first 3 entries"):
        await run_once(db, clock, signer)
