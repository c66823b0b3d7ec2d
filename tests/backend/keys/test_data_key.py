"""What is sealed opens only where it belongs, with the key that sealed it, unchanged."""

from __future__ import annotations

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.keys import DataKey, KeyFileError, LocalRootKey, SealBroken, body_aad
from backend.keys.cache import KeyCache

KEY = DataKey(b"k" * 32)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_what_is_sealed_opens_again_and_never_looks_the_same_twice(plain: bytes, aad: bytes):
    sealed = KEY.seal(plain, aad)
    assert KEY.open(sealed, aad) == plain
    assert len(sealed) == len(plain) + 29
    assert KEY.seal(plain, aad) != sealed


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_seal_or_another_place_does_not_open(plain: bytes, data: st.DataObject):
    sealed = KEY.seal(plain, b"here")
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(st.integers(1, 255))
    for bad, aad in ((bytes(changed), b"here"), (sealed, b"there"), (sealed[:-1], b"here"), (sealed[:place], b"here")):
        with pytest.raises(SealBroken):
            KEY.open(bad, aad)
    with pytest.raises(SealBroken):
        DataKey(b"o" * 32).open(sealed, b"here")


def test_the_place_of_a_body_is_its_trip_sender_message_and_class():
    one = [uuid4(), uuid4(), uuid4()]
    places = {body_aad(*one, "text"), body_aad(*one, "media"), body_aad(one[1], one[0], one[2], "text")}
    assert len(places) == 3


def test_a_mac_tells_equal_from_different_and_depends_on_the_key():
    assert KEY.mac(b"a") == KEY.mac(b"a") != KEY.mac(b"b")
    assert DataKey(b"o" * 32).mac(b"a") != KEY.mac(b"a")


def test_a_seal_of_a_short_message_costs_less_than_five_microseconds():
    rounds, best = 2_000, 1.0
    for _ in range(5):
        begin = time.process_time()
        for _ in range(rounds):
            KEY.seal(b"I am at the east gate, by the flower stall", b"a" * 52)
        best = min(best, (time.process_time() - begin) / rounds)
    assert best < 5e-6


def test_the_root_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        roots = list(pool.map(lambda _: LocalRootKey.load(tmp_path), range(16)))
    assert len({root.derive("x") for root in roots}) == 1
    file = tmp_path / "keys" / "root.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["root.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_can_read_is_refused_by_name(tmp_path: Path, mode: int):
    LocalRootKey.load(tmp_path)
    (tmp_path / "keys" / "root.key").chmod(mode)
    with pytest.raises(KeyFileError, match=r"root\.key can be read by others"):
        LocalRootKey.load(tmp_path)


def test_a_named_key_file_has_to_be_there_and_whole(tmp_path: Path):
    with pytest.raises(KeyFileError, match="does not exist"):
        LocalRootKey.load(tmp_path, str(tmp_path / "mine.key"))
    short = tmp_path / "short.key"
    short.touch(0o600)
    short.write_bytes(b"x" * 31)
    with pytest.raises(KeyFileError, match="32 bytes"):
        LocalRootKey.load(tmp_path, str(short))


def test_a_key_for_one_purpose_says_nothing_about_another():
    root = LocalRootKey(b"r" * 32)
    assert root.derive("contact") == LocalRootKey(b"r" * 32).derive("contact")
    assert root.derive("contact") != root.derive("realtime") != b"r" * 32


def test_the_cache_keeps_the_newest_and_nothing_beyond_its_time():
    now = [0.0]
    cache: KeyCache[str, int] = KeyCache(2, 10, lambda: now[0])
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("b"), cache.get("a"), cache.get("c"), len(cache)) == (None, 1, 3, 2)
    now[0] = 10.5
    assert cache.get("a") is None
    cache.forget("c")
    cache.forget("unknown")
    assert len(cache) == 0
