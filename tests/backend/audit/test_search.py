"""Staff find entries by what they know; what was erased reads erased; proofs hold for what is shown."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from backend.audit import Entry
from backend.audit.erasure import erase_subject
from backend.audit.proofs import consistency, inclusion, verify_entry, verify_growth
from backend.audit.search import Filters, access_entries, access_entry
from backend.audit.sequencing import run_once

TRIP, PERSON, STAFF = uuid4(), uuid4(), uuid4()


@pytest.fixture(autouse=True)
async def filled(empty_log, db, audit, clock, signer) -> None:
    entries = [
        Entry(event="trip.created", trip_id=TRIP),
        Entry(event="message.accepted", trip_id=TRIP, person_id=PERSON, counts={"chars": 12}),
        Entry(event="case.opened", trip_id=TRIP, person_id=PERSON, private={"severity": "high"}),
        Entry(event="case.decided", outcome="masked", trip_id=TRIP, person_id=PERSON, staff_id=STAFF),
        Entry(event="staff.signed_in", staff_id=STAFF, subject=str(STAFF)),
        Entry(event="settings.started"),
    ]
    for entry in entries:
        async with db.session() as session:
            await audit.append(session, entry)
            await session.commit()
        clock.move(timedelta(minutes=1))
        await run_once(db, clock, signer)


@pytest.fixture
def find(db, audit):
    async def search(**filters: object) -> list[int]:
        async with db.session() as session:
            return [item.index for item in (await access_entries(session, audit.keys, Filters(**filters))).items]

    return search


async def test_entries_are_found_by_trip_person_staff_event_and_time(find, clock):
    assert await find() == [5, 4, 3, 2, 1, 0]
    assert await find(trip_id=TRIP) == [3, 2, 1, 0]
    assert await find(person_id=PERSON) == [3, 2, 1]
    assert await find(staff_id=STAFF) == [4, 3]
    assert await find(event="message.accepted") == [1]
    assert await find(event="case.") == [3, 2]
    assert await find(since=clock.now() - timedelta(minutes=2), until=clock.now() - timedelta(minutes=1)) == [4]
    assert await find(trip_id=TRIP, staff_id=STAFF, event="case.") == [3]
    assert await find(trip_id=uuid4()) == []


async def test_pages_follow_one_another_without_loss(db, audit):
    seen, cursor = [], None
    async with db.session() as session:
        while True:
            page = await access_entries(session, audit.keys, Filters(limit=4, cursor=cursor))
            seen += [item.index for item in page.items]
            if (cursor := page.cursor) is None:
                break
    assert seen == [5, 4, 3, 2, 1, 0]


async def test_a_found_entry_shows_both_halves(db, audit):
    async with db.session() as session:
        decided = await access_entry(session, audit.keys, 3)
        assert await access_entry(session, audit.keys, 6) is None
        started = await access_entry(session, audit.keys, 5)
        accepted = await access_entry(session, audit.keys, 1)
    assert (decided.event, decided.outcome, decided.policy, decided.producer) == (
        "case.decided",
        "masked",
        "policy-3",
        "api-1",
    )
    assert decided.private == {"trip_id": str(TRIP), "person_id": str(PERSON), "staff_id": str(STAFF)}
    assert started.private is None
    assert accepted.counts == {"chars": 12}


async def test_after_an_erasure_the_entry_reads_erased_and_is_no_longer_found_by_ids(db, audit, find):
    async with db.session() as session:
        assert await erase_subject(session, audit, str(PERSON), basis="request-1", staff_id=STAFF) == 1
        await session.commit()
    assert await find(person_id=PERSON) == []
    assert await find(trip_id=TRIP) == [0]
    async with db.session() as session:
        assert (await access_entry(session, audit.keys, 3)).private == "erased"
        assert (await access_entry(session, audit.keys, 4)).private == {"staff_id": str(STAFF)}


async def test_a_limit_out_of_range_is_refused(find):
    for limit in (0, 201):
        with pytest.raises(ValueError, match="limit"):
            await find(limit=limit)


async def test_every_entry_has_a_proof_that_holds_for_it_alone(db, signer):
    import msgspec

    for index in range(6):
        found = await inclusion(db, index)
        assert found is not None
        assert verify_entry(found, signer.verifier)
        assert not verify_entry(msgspec.structs.replace(found, index=(index + 1) % 6), signer.verifier)
        assert not verify_entry(msgspec.structs.replace(found, leaf=found.leaf + " "), signer.verifier)
    assert await inclusion(db, 6) is None
    assert await inclusion(db, -1) is None


async def test_the_log_of_every_checkpoint_begins_with_that_of_each_before(db, signer):
    for new in range(1, 7):
        for old in range(1, new + 1):
            found = await consistency(db, old, new)
            assert found is not None
            assert verify_growth(found, signer.verifier)
    assert await consistency(db, 3, 99) is None


@pytest.mark.parametrize(
    "entry",
    [
        Entry(event="Free text about a person"),
        Entry(event="case.opened", outcome="he said so"),
        Entry(event="case.opened", counts={"Аня": 1}),
        Entry(event="case.opened", counts={"n": 2**60}),
        Entry(event="case.opened", private={"body": "x" * 20_000}),
        Entry(event="case.opened", private={"x": float("nan")}),
    ],
)
async def test_an_entry_that_the_log_does_not_take_is_refused_and_leaves_no_gap(db, audit, entry):
    async with db.session() as session:
        with pytest.raises(ValueError, match=r"."):  # each has its own sentence
            await audit.append(session, entry)
    async with db.session() as session:
        with pytest.raises(ValueError, match=r"."):
            await audit.append(session, Entry(event="trip.opened"), entry)
    assert await audit.flush_voids() == 1
    before = (await audit.prepare(Entry(event="trip.opened"))).pseq
    assert before == 8
