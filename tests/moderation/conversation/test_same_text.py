"""The same text in the fifth trip within ten minutes."""

from __future__ import annotations

import pytest

from moderation import Pipeline
from tests.moderation.conversation.talking import NOW, codes


@pytest.mark.parametrize(
    ("ago", "heard"),
    [((10, 20, 30, 40), True), ((10, 20, 30), False), ((10, 20, 30, 700), False), ((), False)],
)
def test_trips_are_counted(pipeline: Pipeline, ago: tuple[int, ...], heard: bool) -> None:
    said = tuple(NOW - each for each in ago)
    assert ("same_text" in codes(pipeline, "the best airport rides in town", same_text_at=said)) is heard
