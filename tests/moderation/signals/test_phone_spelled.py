"""Numbers spelled out in words are numbers too."""

from __future__ import annotations

import pytest

from tests.moderation.conftest import Codes, Judge


@pytest.mark.parametrize(
    "text",
    [
        "eight seven zero one two three four five six seven",
        "call me on eight double seven oh one two three four five",
        "try me 7700 nine00 118",
        "жеті жүз сегіз 000 11 22",
        "plus seven seven zero one, 555 four four three three",
        "восемь семь ноль один два три четыре пять шесть семь",
        "мой номер восемьсот один двести тридцать четыре пятьдесят шесть семьдесят восемь",
        "сегіз жеті нөл бір екі үш төрт бес алты жеті",
        "seis uno dos tres cuatro cinco seis siete ocho",
        "seis doce treinta y cuatro cincuenta y seis setenta y ocho",
    ],
)
def test_a_spelled_number_is_masked(judge: Judge, text: str) -> None:
    verdict = judge(text)

    assert "phone_spelled" in {hit.code for hit in verdict.signals}
    assert verdict.outcome == "mask"


@pytest.mark.parametrize(
    "text",
    [
        "one or two minutes",
        "three of us, two bags and one dog",
        "two thousand five hundred, right?",
        "gate five, six minutes, no later than seven",
        "five stars, ten out of ten",
        "два пассажира, три сумки и одна собака",
        "сорок пять минут, подъезд три",
        "bir екі минут",
        "dos maletas y tres personas",
    ],
)
def test_counting_passes(codes: Codes, text: str) -> None:
    assert "phone_spelled" not in codes(text)


def test_digits_beside_a_number_word_are_no_number_unless_long_enough(codes: Codes) -> None:
    assert "phone_spelled" not in codes("one bag, 1416 first street, gate 5, 18:30")
    assert "phone_spelled" not in codes("five minutes, plate 777, floor 12")
