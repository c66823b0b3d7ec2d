"""Calls for help: fear, held against the will, accident, medical, the wrong way."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class Distress(PhraseSignal):
    """Phrases in `data/phrases/distress.<language>.txt`."""

    name = "distress"
    failure: FailureClass = "safety"
