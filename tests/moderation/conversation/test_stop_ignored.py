"""Three messages to somebody who asked to be left alone and has not answered."""

from __future__ import annotations

import pytest

from moderation import Pipeline, Turn
from tests.moderation.conversation.talking import codes, me, you

CASES: list[tuple[tuple[Turn, ...], bool]] = [
    ((you(200, "stop"), me(100), me(50)), True),
    ((me(300), you(200, "stop"), me(100), me(50)), True),
    ((you(200, "stop"), me(50)), False),
    ((you(200, "stop"), me(100), you(80), me(50)), False),
    ((you(200), me(100), me(50)), False),
    ((me(200, "stop"), me(100), me(50)), False),
    ((you(1000, "stop"), me(100), me(50)), False),
]


@pytest.mark.parametrize(("before", "heard"), CASES)
def test_a_wish_is_minded(pipeline: Pipeline, before: tuple[Turn, ...], heard: bool) -> None:
    assert ("stop_ignored" in codes(pipeline, "why don't you answer", *before)) is heard
