"""The third insult to the same person within a quarter of an hour."""

from __future__ import annotations

import pytest

from moderation import Pipeline, Turn
from tests.moderation.conversation.talking import codes, me, you

CASES: list[tuple[str, tuple[Turn, ...], bool]] = [
    ("you idiot", (me(300, "insult"), you(200), me(100, "insult")), True),
    ("you idiot", (me(300, "insult", same_trip=False), me(100, "insult")), True),
    ("you idiot", (me(100, "insult"),), False),
    ("you idiot", (me(1000, "insult"), me(100, "insult")), False),
    ("you idiot", (you(300, "insult"), you(200, "insult"), me(100, "insult")), False),
    ("I am at the gate", (me(300, "insult"), me(200, "insult"), me(100, "insult")), False),
]


@pytest.mark.parametrize(("text", "before", "heard"), CASES)
def test_insults_are_counted(pipeline: Pipeline, text: str, before: tuple[Turn, ...], heard: bool) -> None:
    assert ("insult_series" in codes(pipeline, text, *before)) is heard
