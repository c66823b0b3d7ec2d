"""What the shipped policy makes of the words of the storm: a change is noticed here, and not as a storm without one."""

from __future__ import annotations

import random

import pytest

from moderation import Content, Context, default_pipeline
from tests.chaos.words import KINDS, STATUS, WORD, speak

OUTCOME = {"delivered": "allow", "masked": "mask", "quarantined": "quarantine", "rejected": "reject"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_judged_as_it_says(kind: str) -> None:
    pipeline, dice = default_pipeline(), random.Random(kind)
    for _ in range(20):
        _, _, word = speak(dice)
        text = KINDS[kind][1].format(word=word)
        verdict = pipeline.judge(Content(text, "en"), Context(market="default", sender_role="driver", now=0.0))
        assert verdict.outcome == OUTCOME[STATUS[kind]], text


def test_words_are_found_again_and_never_come_twice() -> None:
    dice = random.Random(1)
    spoken = [speak(dice) for _ in range(2000)]
    assert all(WORD.findall(text) == [word] for _, text, word in spoken)
    assert len({word for _, _, word in spoken}) == len(spoken)
    assert {kind for kind, _, _ in spoken} == set(KINDS)
