"""Floods are refused; people who write short and often are not."""

from __future__ import annotations

from collections.abc import Sequence

from moderation import Recent, fingerprint
from tests.moderation.conftest import Judge


def said(*messages: tuple[float, str]) -> Sequence[Recent]:
    return [Recent(at, fingerprint(text)) for at, text in messages]


def test_more_than_thirty_two_messages_in_a_second_are_a_flood(judge: Judge) -> None:
    many = said(*[(100.0 + n * 0.025, f"message {n}") for n in range(32)])

    verdict = judge("one more", now=100.8, recent=many)

    assert (verdict.outcome, verdict.reason) == ("reject", "flood")
    assert judge("one more", now=100.8, recent=many[1:]).outcome == "allow"
    assert judge("one more", now=102.0, recent=many).outcome == "allow"


def test_what_a_telephone_sends_that_comes_out_of_a_tunnel_is_no_flood(judge: Judge) -> None:
    """A burst at once, and then as fast as the limits of a service let it: nothing of that may be refused for good."""
    sent = [(100.0, f"message {n}") for n in range(20)] + [(100.0 + n * 0.1, f"later {n}") for n in range(1, 11)]

    for number in range(1, len(sent)):
        at, text = sent[number]
        assert judge(text, now=at, recent=said(*sent[:number])[-32:]).outcome == "allow"


def test_ten_messages_a_second_of_seven_texts_in_turn_are_no_flood(judge: Judge) -> None:
    texts = ["On my way", "Blue jacket", "Running late", "North gate", "Black car", "By the shop", "Some traffic"]
    recent = said(*[(100.0 + n * 0.1, texts[n % 7]) for n in range(16)])

    assert judge(texts[16 % 7], now=101.6, recent=recent).outcome == "allow"


def test_a_word_in_between_hides_no_flood(judge: Judge) -> None:
    recent = said(*[(100.0 + n, text) for n, text in enumerate(("hello", "hello", "answer me", "hello", "now"))])

    assert judge("hello", now=106.0, recent=recent).reason == "flood"


def test_the_same_text_four_times_in_half_a_minute_is_a_flood(judge: Judge) -> None:
    three = said((100.0, "Where are you"), (105.0, "where are you?"), (110.0, "WHERE ARE YOU"))

    assert judge("where are you", now=120.0, recent=three).reason == "flood"
    assert judge("where are you", now=145.0, recent=three).outcome == "allow"


def test_two_short_answers_are_no_flood(judge: Judge) -> None:
    assert judge("ok", now=103.0, recent=said((100.0, "ok"), (101.0, "thanks"))).outcome == "allow"


def test_a_clock_that_jumped_back_floods_nobody(judge: Judge) -> None:
    future = said(*[(9000.0 + n, "hello") for n in range(20)])

    assert judge("hello", now=100.0, recent=future).outcome == "allow"
