"""Silence after a threat, while the one who threatened goes on."""

from __future__ import annotations

import pytest

from moderation import Pipeline, Turn
from tests.moderation.conversation.talking import codes, me, you

CASES: list[tuple[tuple[Turn, ...], bool]] = [
    ((you(200), me(90, "threat")), True),
    ((me(90, "threat"), me(30)), True),
    ((me(30, "threat"),), False),
    ((me(90, "threat"), you(60)), False),
    ((you(90, "threat"),), False),
    ((me(90, "threat", same_trip=False),), False),
    ((me(2000, "threat"),), False),
]


@pytest.mark.parametrize(("before", "heard"), CASES)
def test_a_silence_is_heard(pipeline: Pipeline, before: tuple[Turn, ...], heard: bool) -> None:
    assert ("threat_unanswered" in codes(pipeline, "where are you", *before)) is heard
