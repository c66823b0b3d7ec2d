"""Talk of ending one's own life or hurting oneself."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class SelfHarm(PhraseSignal):
    """Phrases in `data/phrases/self_harm.<language>.txt`."""

    name = "self_harm"
    failure: FailureClass = "safety"
