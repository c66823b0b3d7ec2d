"""Whoever rewrites the log with all the powers of the database is caught, and the entry is named."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.audit import AuditLog, Entry
from backend.audit.erasure import blank_erased, dispose_month, erase_subject
from backend.audit.leaf import leaf_hash
from backend.audit.merkle import root_of
from backend.audit.note import Signer
from backend.audit.sequencing import run_once
from backend.audit.tiles import Edge
from backend.db import Database
from tests.backend.audit.writing import PEOPLE, codes, fill, judged, named

SIZE = 600


LOG = ("audit_entry", "audit_tile", "audit_state", "audit_checkpoint", "audit_key")


@pytest.fixture(autouse=True)
async def filled(empty_log, db, audit, clock, signer) -> None:
    """A log of `SIZE` entries: written once, then laid back from a copy."""
    if await db.pool.fetchval("SELECT to_regclass('saved.audit_entry')") is None:
        await fill(db, audit, clock, signer, SIZE)
        await db.pool.execute("CREATE SCHEMA saved")
        for table in LOG:
            await db.pool.execute(f"CREATE TABLE saved.{table} AS TABLE {table}")
        await db.pool.execute("CREATE TABLE saved.kek AS TABLE keys.key_encryption_key")
        return
    await db.pool.execute(
        "UPDATE keys.key_encryption_key k SET wrapped = s.wrapped, destroyed_at = NULL"
        " FROM saved.kek s WHERE s.id = k.id"
    )
    clock.move(timedelta(seconds=2 * SIZE // 100))
    for table in LOG:
        await db.pool.execute(f"TRUNCATE {table}")
        await db.pool.execute(f"INSERT INTO {table} TABLE saved.{table}")


async def test_an_untouched_log_is_in_order(db, audit, clock, signer):
    report = await judged(db, audit, clock, signer)
    assert (report.exit_code, report.findings) == (0, [])
    assert report.counts == {"private open": SIZE, "entries": SIZE, "checkpoints": 6, "producers": 1, "waiting": 0}


EDIT = """UPDATE audit_entry
SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"ok"', '"no"'), 'UTF8') WHERE entry_index = """
SWAP = """UPDATE audit_entry AS a SET leaf = b.leaf, event = b.event, at = b.at, private_sealed = b.private_sealed,
audit_key_id = b.audit_key_id, trip_mac = b.trip_mac, person_mac = b.person_mac, staff_mac = b.staff_mac
FROM audit_entry AS b WHERE (a.entry_index, b.entry_index) IN ((10, 400), (400, 10))"""
ADD = """INSERT INTO audit_entry
SELECT 600, leaf, event, at, private_sealed, audit_key_id, trip_mac, person_mac, staff_mac
FROM audit_entry WHERE entry_index = 17"""
SHIFT = """DELETE FROM audit_entry WHERE entry_index = 590;
UPDATE audit_entry SET entry_index = entry_index - 1 WHERE entry_index > 590"""
OTHERS = """UPDATE audit_entry SET private_sealed = (SELECT private_sealed FROM audit_entry WHERE entry_index = 48)
WHERE entry_index = 44"""
FLIP = "UPDATE audit_tile SET hashes = set_byte(hashes, 64, get_byte(hashes, 64) # 1) WHERE "
LEAVES = "SELECT leaf FROM audit_entry ORDER BY entry_index"

MUTATIONS = [
    ("edit", EDIT + "123", {"entry_edited"}, {123}),
    ("edit the last", EDIT + "599", {"entry_edited"}, {599}),
    ("edit the first", EDIT + "0", {"entry_edited"}, {0}),
    (
        "flip a byte",
        "UPDATE audit_entry SET leaf = set_byte(leaf, 3, 0) WHERE entry_index = 5",
        {"entry_edited", "leaf_unreadable"},
        {5},
    ),
    ("drop", "DELETE FROM audit_entry WHERE entry_index = 321", {"entry_dropped"}, {321}),
    ("drop the last", "DELETE FROM audit_entry WHERE entry_index = 599", {"entry_dropped"}, {599}),
    ("drop and renumber", SHIFT, {"entry_moved", "entry_dropped"}, set(range(590, 600))),
    ("add a copy", ADD, {"entry_added", "number_doubled"}, {600}),
    ("add a copy far off", ADD.replace("600", "9000"), {"entry_added", "number_doubled"}, {9000}),
    ("swap", SWAP, {"entry_moved"}, {10, 400}),
    (
        "private",
        "UPDATE audit_entry SET private_sealed = sha256(private_sealed) WHERE entry_index = 44",
        {"private_broken"},
        {44},
    ),
    (
        "private of another",
        OTHERS,
        {"private_broken"},
        {44},
    ),
    (
        "private blanked",
        "UPDATE audit_entry SET private_sealed = NULL WHERE entry_index = 44",
        {"private_broken"},
        {44},
    ),
    (
        "private without key",
        "UPDATE audit_entry SET private_sealed = NULL, audit_key_id = NULL WHERE entry_index = 44",
        {"private_broken"},
        {44},
    ),
    (
        "private of an unknown key",
        "UPDATE audit_entry SET audit_key_id = gen_random_uuid() WHERE entry_index = 44",
        {"private_broken"},
        {44},
    ),
    (
        "blind index",
        "UPDATE audit_entry SET trip_mac = sha256(trip_mac), staff_mac = NULL WHERE entry_index = 45",
        {"private_broken"},
        {45},
    ),
    ("event column", "UPDATE audit_entry SET event = 'case.opened' WHERE entry_index = 46", {"column_edited"}, {46}),
    (
        "time column",
        "UPDATE audit_entry SET at = at - interval '1 day' WHERE entry_index = 47",
        {"column_edited"},
        {47},
    ),
    (
        "checkpoint root",
        "UPDATE audit_checkpoint SET root_hash = sha256(root_hash) WHERE tree_size = 300",
        {"checkpoint_columns"},
        set(),
    ),
    (
        "checkpoint note",
        "UPDATE audit_checkpoint SET note = replace(note, '300', '299') WHERE tree_size = 300",
        {"checkpoint_columns", "checkpoint_unsigned"},
        set(),
    ),
    (
        "tile of leaves",
        FLIP + "level = 0 AND tile_index = 1",
        {"tile_changed"},
        {258},
    ),
    (
        "upper tile",
        "UPDATE audit_tile SET hashes = set_byte(hashes, 1, get_byte(hashes, 1) # 1) WHERE level = 1",
        {"tile_changed"},
        set(),
    ),
    ("tile dropped", "DELETE FROM audit_tile WHERE level = 0 AND tile_index = 1", {"tile_missing"}, set()),
    ("tile added", "INSERT INTO audit_tile VALUES (0, 9, sha256(''))", {"tile_added"}, set()),
    ("state", "UPDATE audit_state SET root_hash = sha256('')", {"state_root"}, set()),
    ("entries truncated", "TRUNCATE audit_entry", {"entry_dropped"}, {0}),
    ("tail truncated", "DELETE FROM audit_entry WHERE entry_index >= 400", {"entry_dropped"}, {400}),
    ("everything but checkpoints", "TRUNCATE audit_entry, audit_tile, audit_state", {"entry_dropped"}, {0}),
]


@pytest.mark.parametrize(
    ("mutation", "found", "indexes"), [row[1:] for row in MUTATIONS], ids=[row[0] for row in MUTATIONS]
)
async def test_a_mutation_by_superuser_is_caught_and_named(db, audit, clock, signer, mutation, found, indexes):
    assert (await db.pool.execute(mutation)) not in ("UPDATE 0", "DELETE 0")
    report = await judged(db, audit, clock, signer)
    assert codes(report) == found
    assert named(report) == indexes
    # A tile that is missing can be computed again from the entries: nothing of the record is lost.
    assert report.exit_code == (2 if found == {"tile_missing"} else 1)


async def rewrite(db: Database, signer: Signer | None) -> None:
    """What an attacker with the database does who understands the tree: edit, recompute everything, sign if he can."""
    await db.pool.execute(EDIT + "250")
    hashes = [leaf_hash(row["leaf"]) for row in await db.pool.fetch(LEAVES)]
    edge = Edge(0, {})
    edge.append(b"".join(hashes))
    await db.pool.execute("TRUNCATE audit_tile")
    await db.pool.executemany(
        "INSERT INTO audit_tile VALUES ($1, $2, $3)", [(*tile, data) for tile, data in edge.changed.items()]
    )
    await db.pool.execute("UPDATE audit_state SET root_hash = $1", edge.root())
    if signer is not None:
        await db.pool.executemany(
            "UPDATE audit_checkpoint SET root_hash = $2, note = $3 WHERE tree_size = $1",
            [(n, root_of(hashes[:n]), signer.sign(n, root_of(hashes[:n]))) for n in range(100, SIZE + 1, 100)],
        )


async def test_a_log_rewritten_with_all_its_hashes_breaks_its_checkpoints_which_bound_the_place(
    db, audit, clock, signer
):
    await rewrite(db, None)
    report = await judged(db, audit, clock, signer)
    assert codes(report) == {"root_differs"}
    (found,) = report.findings
    assert "entries 200 to 299" in found.text


async def test_a_log_rewritten_and_signed_again_breaks_a_checkpoint_that_was_kept_elsewhere(db, audit, clock, signer):
    kept = await db.pool.fetchval("SELECT note FROM audit_checkpoint WHERE tree_size = 400")
    await rewrite(db, signer)
    assert (await judged(db, audit, clock, signer)).exit_code == 0  # nothing inside the database can tell
    report = await judged(db, audit, clock, signer, kept)
    assert "checkpoint_fork" in codes(report)
    assert report.exit_code == 1


async def test_a_log_that_was_emptied_breaks_a_checkpoint_that_was_kept_elsewhere(db, audit, clock, signer):
    kept = await db.pool.fetchval("SELECT note FROM audit_checkpoint WHERE tree_size = 400")
    await db.pool.execute("TRUNCATE audit_entry, audit_tile, audit_state, audit_checkpoint")
    report = await judged(db, audit, clock, signer, kept)
    assert report.exit_code == 1
    assert 0 in named(report)


async def test_a_checkpoint_signed_by_another_key_counts_nothing(db, audit, clock, signer):
    report = await judged(db, audit, clock, Signer(signer.verifier.name, b"o" * 32))
    assert codes(report) == {"checkpoint_unsigned", "unsigned_tail"}


async def test_a_leaf_of_another_log_does_not_pass(db, keyring, clock, signer, audit):
    foreign = AuditLog(db, keyring, clock, "api-9", origin="elsewhere.example/audit")
    await fill(db, foreign, clock, signer, 1)
    report = await judged(db, audit, clock, signer)
    assert (codes(report), named(report)) == ({"leaf_foreign"}, {SIZE})


async def test_an_entry_taken_out_of_the_intake_leaves_a_gap_in_its_producers_count(db, audit, clock, signer):
    async with db.session() as session:
        for _ in range(3):
            await audit.append(session, Entry(event="trip.opened"))
        await session.commit()
    await db.pool.execute("DELETE FROM audit_intake WHERE id = (SELECT min(id) + 1 FROM audit_intake)")
    report = await judged(db, audit, clock, signer)
    assert [finding.code for finding in report.findings] == ["number_open"]  # it might still be under way
    clock.move(timedelta(minutes=2))
    await run_once(db, clock, signer)
    report = await judged(db, audit, clock, signer)
    assert (codes(report), report.exit_code) == ({"number_missing"}, 2)
    assert "number 2 of api-1" in report.findings[0].text


async def test_entries_that_no_checkpoint_covers_for_long_are_incomplete(db, audit, clock, signer):
    async with db.session() as session:
        await audit.append(session, Entry(event="trip.opened"))
        await session.commit()
    await run_once(db, clock, None)
    assert (await judged(db, audit, clock, signer)).exit_code == 0
    clock.move(timedelta(minutes=2))
    assert codes(await judged(db, audit, clock, signer)) == {"unsigned_tail"}


async def test_an_erased_subject_reads_erased_and_leaves_the_log_in_order(db, audit, clock, signer):
    async with db.session() as session:
        assert await erase_subject(session, audit, str(PEOPLE[1]), basis="request-1") == 1
        await session.commit()
    report = await judged(db, audit, clock, signer)
    assert report.exit_code == 0
    assert report.counts["private erased"] == SIZE // 4
    await fill(db, audit, clock, signer, 8)  # the same person acts again: a new key, the old words stay erased
    report = await judged(db, audit, clock, signer)
    assert report.exit_code == 0
    assert report.counts["private erased"] == SIZE // 4


async def test_keys_destroyed_behind_the_logs_back_are_noticed(db, audit, clock, signer):
    gone = "UPDATE {} SET wrapped = NULL, destroyed_at = now() WHERE id = (SELECT {} FROM audit_key LIMIT 1)"
    await db.pool.execute(gone.format("audit_key", "id"))
    assert codes(await judged(db, audit, clock, signer)) == {"key_destroyed"}


async def test_keys_that_came_back_from_a_backup_are_noticed(db, audit, clock, signer):
    async with db.session() as session:
        await erase_subject(session, audit, str(PEOPLE[2]), basis="request-1")
        await session.commit()
    await db.pool.execute("DELETE FROM audit_key")
    await db.pool.execute("INSERT INTO audit_key TABLE saved.audit_key")
    report = await judged(db, audit, clock, signer)
    assert {"key_revived", "private_broken"} <= codes(report)


async def test_a_month_whose_time_is_up_reads_erased_and_leaves_the_log_in_order(db, audit, keyring, clock, signer):
    async with db.session() as session:
        month = clock.now().date().replace(day=1)
        clock.move(timedelta(days=40))
        assert await dispose_month(session, audit, keyring, clock, month, basis="schedule-1") == len(PEOPLE)
        assert await dispose_month(session, audit, keyring, clock, month, basis="schedule-1") == 0
        await session.commit()
    assert (await judged(db, audit, clock, signer)).exit_code == 0
    async with db.session() as session:
        blanked = [await blank_erased(session, 400) for _ in range(3)]
        await session.commit()
    assert blanked == [400, 200, 0]
    report = await judged(db, audit, clock, signer)
    assert (report.exit_code, report.counts["private erased"]) == (0, SIZE)
