"""Sexual harassment and offers, with or without a swear word."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class Solicitation(PhraseSignal):
    """Phrases in `data/phrases/solicitation.<language>.txt`."""

    name = "solicitation"
    failure: FailureClass = "safety"
