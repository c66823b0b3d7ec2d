"""Asks for codes, passwords, card details or money under a pretext."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class Scam(PhraseSignal):
    """Phrases in `data/phrases/scam.<language>.txt`."""

    name = "scam"
    failure: FailureClass = "hygiene"
