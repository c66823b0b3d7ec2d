"""The bank of known photos: finds what comparing one by one would find, and says where its file is wrong."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.photos import Bank, BankError, Known, Match, load_bank, parse_bank

FIRST = "tripwarden-photo-bank 1\n"
A, B = "0f" * 32, "F0" * 32
HASHES = st.binary(min_size=32, max_size=32)
LABELS = st.sampled_from(["fraud", "hate", "other"])


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@st.composite
def near(draw: st.DrawFn, base: bytes) -> bytes:
    """A hash that differs from `base` in a few bits."""
    number = int.from_bytes(base, "big")
    for bit in draw(st.lists(st.integers(0, 255), max_size=60)):
        number ^= 1 << bit
    return number.to_bytes(32, "big")


@settings(max_examples=80, deadline=None)
@given(st.data(), HASHES)
def test_a_look_up_is_what_comparing_with_each_gives(data: st.DataObject, wanted: bytes) -> None:
    entries = data.draw(
        st.lists(st.builds(Known, st.one_of(HASHES, near(wanted)), LABELS, st.integers(0, 64)), max_size=20)
    )

    expected: dict[str, int] = {}
    for each in entries:
        distance = apart(each.pdq, wanted)
        if distance <= each.distance:
            expected[each.label] = min(distance, expected.get(each.label, 256))

    found = Bank(entries).find(wanted, 100)
    assert {match.label: match.distance for match in found} == expected
    assert [match.distance for match in found] == sorted(expected.values())


def test_a_hash_without_quality_matches_nothing() -> None:
    bank = Bank([Known(bytes.fromhex(A), "fraud")])

    assert bank.find(bytes.fromhex(A), 50) == [Match("fraud", 0)]
    assert bank.find(bytes.fromhex(A), 49) == []


def test_an_empty_bank_knows_nothing() -> None:
    assert Bank().find(bytes(32), 100) == []


def test_a_hundred_thousand_are_searched_in_milliseconds() -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (100_000, 32)).astype(np.uint8)
    bank = Bank(Known(row.tobytes(), "other") for row in hashes)
    wanted = hashes[77_777].tobytes()
    bank.find(wanted, 100)

    begun = process_time()
    found = [bank.find(wanted, 100) for _ in range(10)]

    assert (process_time() - begun) / 10 < 0.05
    assert found[0] == [Match("other", 0)]


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "known.txt"
    file.write_text(f"{FIRST}# hotel scam, 2026\r\n\n{A} fraud\n  {B}\thate  7 \n")

    bank = load_bank(file)

    assert len(bank) == 2
    assert bank.find(bytes.fromhex(B), 100) == [Match("hate", 0)]
    assert bank.find((int(B, 16) ^ 0xFF).to_bytes(32, "big"), 100) == []
    assert bank.find((int(A, 16) ^ 0xFF).to_bytes(32, "big"), 100) == [Match("fraud", 8)]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("tripwarden-photo-bank 2\n", 1, 1),
        (f"{FIRST}abc fraud\n", 2, 1),
        (f"{FIRST}{A[:-1]}g fraud\n", 2, 1),
        (f"{FIRST}\n  {A}0 fraud\n", 3, 3),
        (f"{FIRST}{A}\n", 2, 65),
        (f"{FIRST}{A} frod\n", 2, 66),
        (f"{FIRST}{A} fraud\n{B}  hate 65\n", 3, 72),
        (f"{FIRST}{A} fraud -1\n", 2, 72),
        (f"{FIRST}{A} fraud ٣\n", 2, 72),
        (f"{FIRST}{A} fraud 3 4\n", 2, 74),
    ],
)
def test_a_bad_line_is_refused_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(BankError) as refused:
        parse_bank(text.encode(), "known.txt")

    assert (refused.value.line, refused.value.column) == (line, column)
    assert str(refused.value).startswith(f"known.txt:{line}:{column}: ")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BankError, match=r"known\.txt:2:3: not UTF-8"):
        parse_bank(FIRST.encode() + b"ab\xff", "known.txt")
