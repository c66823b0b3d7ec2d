"""What two people write and what staff do is in the log; who rewrites it behind its back is found."""

from __future__ import annotations

import pytest

from backend.audit.leaf import check_leaf
from backend.audit.note import Signer
from backend.audit.report import Report
from backend.audit.sequencing import run_once
from backend.audit.verify_database import verify_database
from backend.pipeline.services import Services
from tests.factories.chat import Chat


@pytest.fixture
def signer(services: Services) -> Signer:
    settings = services.settings
    return Signer.load(settings.data.dir, settings.audit.key_file, settings.audit.origin)


async def judged(services: Services, signer: Signer) -> Report:
    await run_once(services.db, services.clock, signer)
    return await verify_database(services.db, services.clock, signer.verifier, keys=services.audit.keys)


async def events(services: Services) -> list[str]:
    rows = await services.db.pool.fetch("SELECT leaf FROM audit_entry ORDER BY entry_index")
    return [check_leaf(row["leaf"]).ev for row in rows]


async def test_every_message_of_a_trip_is_in_a_log_that_verifies(
    chat: Chat, services: Services, signer: Signer
) -> None:
    for turn in range(3):
        await chat.say("driver", f"north gate {turn}")
        await chat.say("customer", "coming")
    await chat.say("driver", "")  # refused before anything is stored: no act, no entry
    report = await judged(services, signer)
    assert report.exit_code == 0, report.lines()
    found = await events(services)
    assert found.count("message.accepted") == 6
    assert "trip.created" in found


async def test_the_log_tells_no_word_and_no_name(chat: Chat, services: Services, signer: Signer) -> None:
    await chat.say("driver", "zanzibar lighthouse")
    await run_once(services.db, services.clock, signer)
    rows = await services.db.pool.fetch("SELECT leaf, private_sealed FROM audit_entry")
    stored = b"".join(bytes(row["leaf"]) + bytes(row["private_sealed"] or b"") for row in rows)
    for hint in (b"zanzibar", b"Dana", str(chat.trip_id).encode()):
        assert hint not in stored


@pytest.mark.parametrize(
    ("mutation", "said"),
    [
        (
            "UPDATE audit_entry SET leaf = set_byte(leaf, 40, 65) WHERE entry_index = 3",
            "entry 3 is not the one that was entered there",
        ),
        ("DELETE FROM audit_entry WHERE entry_index = 2", "entry 2 is missing"),
        (
            "INSERT INTO audit_entry (entry_index, leaf, event, at)"
            " SELECT max(entry_index) + 1, min(leaf), 'void', now() FROM audit_entry",
            "was never given a place in the tree: added",
        ),
    ],
)
async def test_a_row_changed_by_superuser_is_named(
    chat: Chat, services: Services, signer: Signer, mutation: str, said: str
) -> None:
    for _ in range(3):
        await chat.say("driver", "north gate")
    assert (await judged(services, signer)).exit_code == 0
    async with services.db.pool.acquire() as connection:
        transaction = connection.transaction()
        await connection.execute("CREATE TABLE IF NOT EXISTS kept_entry AS TABLE audit_entry WITH NO DATA")
        await transaction.start()
        await connection.execute("TRUNCATE kept_entry")
        await connection.execute("INSERT INTO kept_entry TABLE audit_entry")
        await connection.execute(mutation)
        await transaction.commit()
    try:
        report = await verify_database(services.db, services.clock, signer.verifier, keys=None)
        assert report.exit_code == 1
        assert any(said in line for line in report.lines()), report.lines()
    finally:
        async with services.db.pool.acquire() as connection, connection.transaction():
            await connection.execute("TRUNCATE audit_entry")
            await connection.execute("INSERT INTO audit_entry TABLE kept_entry")
