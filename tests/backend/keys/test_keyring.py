"""Keys are made with the trip, opened by whoever needs them, and gone once destroyed."""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import text

from backend.clock import MovableClock
from backend.db import Database
from backend.keys import DataKey, KeyDestroyed, KeyFileError, Keyring, LocalRootKey, SealBroken

DAY = date(2027, 2, 20)


async def made(db: Database, keyring: Keyring, trip, sender, day=DAY) -> DataKey:
    async with db.session() as session:
        key = await keyring.create(session, market="kz", day=day, trip_id=trip, sender_id=sender)
        await session.commit()
    return key


async def test_what_one_process_seals_another_process_opens(db, keyring, provider, clock):
    trip, sender = uuid4(), uuid4()
    key = await made(db, keyring, trip, sender)
    sealed = key.seal("рядом с вокзалом".encode(), b"place")
    other = await Keyring(db, provider, clock).get(trip, sender)
    assert other.open(sealed, b"place").decode() == "рядом с вокзалом"


async def test_making_a_key_twice_gives_the_same_key(db, keyring):
    trip, sender = uuid4(), uuid4()
    first, second = await made(db, keyring, trip, sender), await made(db, keyring, trip, sender)
    assert second.open(first.seal(b"x", b""), b"") == b"x"


async def test_two_processes_that_make_a_key_at_once_agree_on_one(db, provider, clock):
    trip, sender = uuid4(), uuid4()
    rings = [Keyring(db, provider, clock) for _ in range(4)]
    keys = await asyncio.gather(*(made(db, ring, trip, sender, date(2027, 1, 1)) for ring in rings))
    sealed = keys[0].seal(b"x", b"")
    assert [key.open(sealed, b"") for key in keys] == [b"x"] * 4


async def test_a_key_of_a_rolled_back_transaction_is_never_used_again(db, keyring):
    trip, sender = uuid4(), uuid4()
    async with db.session() as session:
        lost = await keyring.create(session, market="kz", day=DAY, trip_id=trip, sender_id=sender)
        assert (await keyring.get(trip, sender, session)).open(lost.seal(b"x", b""), b"") == b"x"
        await session.rollback()
        await session.execute(text("SELECT 1"))
        await session.commit()
    with pytest.raises(KeyDestroyed):
        await keyring.get(trip, sender)


async def test_a_key_of_a_rolled_back_savepoint_is_never_used_again(db, keyring):
    trip, sender = uuid4(), uuid4()
    async with db.session() as session:
        savepoint = await session.begin_nested()
        await keyring.create(session, market="kz", day=DAY, trip_id=trip, sender_id=sender)
        await savepoint.rollback()
        await session.commit()
    with pytest.raises(KeyDestroyed):
        await keyring.get(trip, sender)


async def test_destroying_one_senders_key_leaves_the_peers_words(db, keyring, provider, clock):
    trip, gone, stays = uuid4(), uuid4(), uuid4()
    await made(db, keyring, trip, gone)
    peer = await made(db, keyring, trip, stays)
    async with db.session() as session:
        assert await keyring.destroy(session, trip, gone) == 1
        await session.commit()
    for ring in (keyring, Keyring(db, provider, clock)):
        with pytest.raises(KeyDestroyed):
            await ring.get(trip, gone)
        assert (await ring.get(trip, stays)).open(peer.seal(b"x", b""), b"") == b"x"
        assert set(await ring.get_many(trip)) == {stays}
    with pytest.raises(KeyDestroyed):
        await made(db, keyring, trip, gone)


async def test_destroying_a_trip_takes_all_its_keys_and_only_once(db, keyring):
    trip = uuid4()
    for _ in range(3):
        await made(db, keyring, trip, uuid4())
    async with db.session() as session:
        assert await keyring.destroy(session, trip) == 3
        assert await keyring.destroy(session, trip) == 0
        await session.commit()
    assert await keyring.get_many(trip) == {}


async def test_destroying_a_day_takes_every_key_that_expired_on_it(db, keyring):
    day = date(2027, 5, 5)
    trip, sender, other = uuid4(), uuid4(), uuid4()
    await made(db, keyring, trip, sender, day)
    await made(db, keyring, other, sender, date(2027, 5, 6))
    async with db.session() as session:
        assert await keyring.destroy_day(session, market="kz", record_class="text", day=day) == 1
        assert await keyring.destroy_day(session, market="kz", record_class="text", day=day) == 0
        await session.commit()
    with pytest.raises(KeyDestroyed):
        await keyring.get(trip, sender)
    await keyring.get(other, sender)
    with pytest.raises(KeyDestroyed):
        await made(db, keyring, uuid4(), sender, day)


async def test_a_wrapped_key_that_is_moved_to_another_sender_does_not_open(db, keyring, provider, clock):
    trip, sender, thief = uuid4(), uuid4(), uuid4()
    await made(db, keyring, trip, sender)
    await made(db, keyring, trip, thief)
    async with db.session() as session:
        await session.execute(
            text(
                "UPDATE keys.data_key SET wrapped = (SELECT wrapped FROM keys.data_key WHERE trip_id = :t"
                " AND sender_id = :s) WHERE trip_id = :t AND sender_id = :o"
            ),
            {"t": trip, "s": sender, "o": thief},
        )
        await session.commit()
    with pytest.raises(SealBroken):
        await Keyring(db, provider, clock).get(trip, thief)


async def test_another_root_key_opens_nothing(db, keyring, clock: MovableClock, tmp_path):
    trip, sender = uuid4(), uuid4()
    await made(db, keyring, trip, sender)
    stranger = Keyring(db, LocalRootKey.load(tmp_path / "elsewhere"), clock)
    with pytest.raises(KeyFileError, match="not the one that wrapped"):
        await stranger.get(trip, sender)


async def test_no_key_lies_open_in_the_database(db, keyring):
    trip, sender = uuid4(), uuid4()
    await made(db, keyring, trip, sender)
    async with db.session() as session:
        rows = await session.execute(
            text(
                "SELECT length(wrapped) FROM keys.data_key"
                " UNION ALL SELECT length(wrapped) FROM keys.key_encryption_key"
            )
        )
        assert {row[0] for row in rows if row[0]} == {60}  # nonce 12, key 32, tag 16: nothing unwrapped
