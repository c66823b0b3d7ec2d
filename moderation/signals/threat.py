"""Threats without a swear word: to hurt, to follow, to know where somebody lives."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class Threat(PhraseSignal):
    """Phrases in `data/phrases/threat.<language>.txt`."""

    name = "threat"
    failure: FailureClass = "safety"
