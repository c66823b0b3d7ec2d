"""Codewords are the policy's: an agreed silent call for help, for example."""

from __future__ import annotations

from moderation import Content, Pipeline
from moderation.policy import parse_policy
from moderation.signals.codeword import Codeword

SOURCE = """version = "t"
phone_regions = []
[codewords]
"blue umbrella" = 0.9
"синий зонт" = 0.9
[signals]
codeword = [{ at = 0.8, flags = ["review", "urgent"] }]
[labels]
"""


def flags_of(text: str) -> tuple[str, ...]:
    policy = parse_policy(SOURCE.encode())
    return Pipeline(policy, [Codeword(policy.document.codewords)]).judge(Content(text)).flags


def test_a_codeword_alarms_whatever_its_case() -> None:
    assert flags_of("did I leave my Blue Umbrella?") == ("review", "urgent")
    assert flags_of("где мой СИНИЙ ЗОНТ") == ("review", "urgent")


def test_part_of_a_word_is_no_codeword() -> None:
    assert flags_of("two blue umbrellas") == ()


def test_a_policy_without_codewords_is_fine() -> None:
    assert list(Codeword({}).triggers()) == [("\x00", 0)]
