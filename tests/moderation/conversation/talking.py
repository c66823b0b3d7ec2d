"""Short ways to say what came before a message."""

from __future__ import annotations

from moderation import Content, Context, Mark, Pipeline, Turn

NOW = 10_000.0
CODES = {"insult_series", "threat_unanswered", "stop_ignored", "same_text"}


def me(ago: float, *marks: Mark, same_trip: bool = True) -> Turn:
    """A message of the sender, the driver, `ago` seconds before."""
    return Turn(NOW - ago, "driver", same_trip, marks)


def you(ago: float, *marks: Mark) -> Turn:
    """A message of the other side."""
    return Turn(NOW - ago, "customer", True, marks)


def codes(pipeline: Pipeline, text: str, *before: Turn, same_text_at: tuple[float, ...] = ()) -> set[str]:
    """Which conversation signals the driver's `text` raises; whatever they find is looked at."""
    context = Context(now=NOW, sender_role="driver", conversation=before, same_text_at=same_text_at)
    verdict = pipeline.judge(Content(text), context)
    found = {hit.code for hit in verdict.signals} & CODES
    assert not found or "review" in verdict.flags
    return found
