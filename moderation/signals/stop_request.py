"""A wish to be left alone: "leave me alone", "stop writing to me". Harmless by itself: whoever ignores it is not."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class StopRequest(PhraseSignal):
    """Phrases in `data/phrases/stop_request.<language>.txt`."""

    name = "stop_request"
    failure: FailureClass = "hygiene"
