"""Diverts the fare past the platform (a ride paid in cash is no such thing)."""

from __future__ import annotations

from moderation.policy import FailureClass
from moderation.signals.phrases import PhraseSignal


class OffPlatformPayment(PhraseSignal):
    """Phrases in `data/phrases/off_platform_payment.<language>.txt`."""

    name = "off_platform_payment"
    failure: FailureClass = "hygiene"
