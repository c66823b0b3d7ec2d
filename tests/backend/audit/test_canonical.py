"""Canonical JSON: one form for every value, the one of RFC 8785."""

from __future__ import annotations

import json
import math
from uuid import uuid4

import pytest
from asyncpg.pgproto import pgproto
from hypothesis import given
from hypothesis import strategies as st

from backend.audit.canonical import LARGEST, NotCanonical, canonical

# RFC 8785, appendix B: the number with these IEEE 754 bits is written so.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
]


def number(bits: str) -> float:
    import struct

    return struct.unpack(">d", bytes.fromhex(bits))[0]


@pytest.mark.parametrize(("bits", "written"), NUMBERS)
def test_numbers_are_written_as_ecmascript_writes_them(bits: str, written: str):
    assert canonical(number(bits)).decode() == written


def test_the_example_of_the_rfc_has_its_published_form():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_ordered_by_utf16_units():
    # RFC 8785, 3.2.3: in UTF-8 the emoji would stand after the Hebrew letter with dagesh.
    value = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\u0080": 6, "ö": 7}
    assert [ord(name[0]) for name in json.loads(canonical(value))] == [0x0D, 0x31, 0x80, 0xF6, 0x20AC, 0x1F600, 0xFB33]


SCALARS = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_the_form_means_the_value_and_is_the_same_however_the_value_was_put_together(value):
    written = canonical(value)
    again = json.loads(written, parse_int=float)
    assert canonical(again) == written
    assert again == json.loads(json.dumps(value))


@given(
    st.dictionaries(
        st.text("abcdefgh_", min_size=1), TEXTS | st.uuids() | st.integers(-LARGEST, LARGEST) | st.none(), max_size=6
    )
)
def test_the_short_way_for_flat_objects_and_the_long_way_agree(value):
    assert canonical(value) == canonical([value])[1:-1] == canonical(dict(reversed(value.items())))


def test_an_id_is_the_text_that_it_is_written_as():
    ours, drivers = uuid4(), pgproto.UUID(str(uuid4()))
    assert canonical({"a": ours, "b": drivers}) == canonical({"a": str(ours), "b": str(drivers)})


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, {"a": {1}}, b"x", {"a": 2**53}]
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical(value)
    with pytest.raises(NotCanonical):
        canonical({"deep": [value]})
