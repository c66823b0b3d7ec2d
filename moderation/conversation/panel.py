"""All conversation signals, asked about one message after its text was measured."""

from __future__ import annotations

from moderation.codes import FAILED
from moderation.conversation.base import ConversationSignal, Now, marks_of
from moderation.conversation.insult_series import InsultSeries
from moderation.conversation.same_text import SameText
from moderation.conversation.stop_ignored import StopIgnored
from moderation.conversation.threat_unanswered import ThreatUnanswered
from moderation.panel import Measured
from moderation.policy import Conversation
from moderation.verdict import SignalHit

SIGNALS: tuple[ConversationSignal, ...] = (InsultSeries(), ThreatUnanswered(), StopIgnored(), SameText())
CONVERSATION_CODES: tuple[str, ...] = tuple(signal.name for signal in SIGNALS)


def ask_conversation(measured: Measured, limits: Conversation) -> None:
    """Add what the conversation shows. Never raises: a signal that breaks is noted, as hygiene."""
    context = measured.context
    if context.template or not (context.conversation or context.same_text_at):
        return
    now = Now(marks_of(measured.hits, measured.labels, limits), context, limits)
    for signal in SIGNALS:
        try:
            found = signal.look(now)
        except Exception:  # noqa: BLE001 - a broken signal must not allow, nor stop the others
            measured.fail(FAILED, signal.name, "hygiene")
            continue
        if found:
            measured.hits.append(SignalHit(signal.name, 1.0))
