"""Everyday talk raises none of these, whoever says what of it; and a signal that breaks allows nothing."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from moderation import Content, Context, Pipeline, SenderRole, Turn, load_policy, marks_of
from moderation.conversation import panel
from tests.moderation.conversation.talking import CODES, codes, me

EVERYDAY = Path(__file__).parents[3].parent / "shared" / "data" / "eval" / "benign_ride.parquet"
ROLES: tuple[SenderRole, SenderRole] = ("driver", "customer")


def test_everyday_talk_in_sequence_is_nobodys_business(pipeline: Pipeline) -> None:
    """All lines as one conversation of one pair, ten seconds apart, by turns of one to three: none is looked at."""
    if not EVERYDAY.exists():
        pytest.skip(f"{EVERYDAY} is not there")
    limits = load_policy().document.conversation
    lines: list[str] = parquet.read_table(EVERYDAY, columns=["text"]).column("text").to_pylist()
    assert len(lines) == 4755
    talk: deque[Turn] = deque(maxlen=16)
    found: list[str] = []
    marked = 0
    for number, text in enumerate(lines):
        role, now = ROLES[number % 6 in (0, 3, 4)], number * 10.0
        verdict = pipeline.judge(Content(text, "en"), Context(now=now, sender_role=role, conversation=tuple(talk)))
        found += [f"{hit.code}: {text}" for hit in verdict.signals if hit.code in CODES]
        marks = marks_of(verdict.signals, verdict.labels, limits)
        marked += bool(marks)
        talk.append(Turn(now, role, True, marks))
    assert found == []
    assert marked <= 5


def test_a_signal_that_breaks_is_looked_at(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = "insult_series"

        def look(self, now: object) -> bool:
            raise RuntimeError

    monkeypatch.setattr(panel, "SIGNALS", (Broken(),))
    verdict = pipeline.judge(Content("hello"), Context(now=10_000.0, conversation=(me(10, "insult"),)))
    assert ([hit.code for hit in verdict.signals], verdict.flags) == (["failed.insult_series"], ("review",))


def test_a_template_is_no_part_of_it(pipeline: Pipeline) -> None:
    context = Context(now=10_000.0, template=True, conversation=(me(90, "threat"),))
    assert pipeline.judge(Content("I am here"), context).signals == ()
    assert codes(pipeline, "I am here", me(90, "threat")) == {"threat_unanswered"}
