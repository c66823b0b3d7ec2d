"""Telephone numbers are starred out; the numbers that a ride has are not."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes, Judge


@pytest.mark.parametrize(
    "text",
    [
        "call me +7 701 123 45 67",
        "8 (701) 123-45-67",
        "87011234567",
        "my number is 8-701-123-45-67 thanks",
        "позвоните на 8 701 123 45 67",
        "+996 555 123 456",
        "(415) 555-2671",
        "415-555-2671 text me",
        "llámame al 612 34 56 78",
        "хабарласыңыз 87771234567",
        "８７０１１２３４５６７",
        "8️⃣7️⃣0️⃣1️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣",
        "8\u200b701\u200b123\u200b45\u200b67",
        "8.701.123.45.67",
        "8 7 0 1 1 2 3 4 5 6 7",
        "+7 7o1 ооо 45 67",
        "8 7оо ООО 55 12",
        "bizum al 6oo 123 456",
    ],
)
def test_a_number_is_masked(judge: Judge, text: str) -> None:
    verdict = judge(text)

    assert "phone" in {hit.code for hit in verdict.signals}
    assert verdict.outcome == "mask"
    assert not any(map(str.isdigit, verdict.masked(text)))


@pytest.mark.parametrize(
    "text",
    [
        "I'm at gate 5",
        "5 min",
        "A 123 BC",
        "plate 777 ABC 02",
        "flat 34, floor 5, entrance 2, code 1234",
        "the fare is 1200, I have 5000",
        "25.11.2026 at 18:30",
        "2026-11-25 18:30",
        "12:30 - 13:45",
        "43.238949, 76.889709",
        "1 000 000 tenge lol",
        "order 48213377",
        "pickup at 7:45, drop at 8:15, 2 bags, 3 people",
        "1416 First street, apt 280, zip 94103",
        "flight KC 852 at 14:20, terminal 2, gate 15",
    ],
)
def test_a_rides_own_numbers_pass(codes: Codes, text: str) -> None:
    assert "phone" not in codes(text)


def test_only_the_number_is_starred(judge: Judge) -> None:
    text = "I'm at gate 5, call 87011234567 please"

    assert judge(text).masked(text) == "I'm at gate 5, call *********** please"


def test_a_short_number_counts_only_when_a_call_is_asked_for(codes: Codes) -> None:
    assert "phone" in codes("call 555-26-71")
    assert "phone" not in codes("555-26-71")
