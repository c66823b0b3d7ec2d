"""What a conversation signal is, and what of a message is remembered for the next ones: marks, never text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from moderation.content import Context, Mark, Turn
from moderation.policy import Conversation
from moderation.verdict import SignalHit

#: Codes of hits that make a mark, and the score from which they do.
_FROM_HITS: Mapping[str, tuple[Mark, float]] = {
    "keyword_insult": ("insult", 0.5),
    "keyword_slur": ("insult", 0.5),
    "threat": ("threat", 0.5),
    "stop_request": ("stop", 0.5),
}


class Now(NamedTuple):
    """The message that is being judged, among those before it."""

    marks: tuple[Mark, ...]
    context: Context
    limits: Conversation

    def before(self) -> list[Turn]:
        """The turns of the window, oldest first. A clock that jumped back makes nothing older than it is."""
        now, window = self.context.now, self.limits.window_s
        return [turn for turn in self.context.conversation if abs(now - turn.at) <= window]

    def own(self, turn: Turn) -> bool:
        """Whether the sender of this message said that, too."""
        return turn.role == self.context.sender_role


class ConversationSignal(Protocol):
    """One measurement of a conversation. Stateless."""

    @property
    def name(self) -> str:
        """The signal's name and code: the file's."""
        ...

    def look(self, now: Now) -> bool:
        """Whether it is so with this message."""
        ...


def marks_of(hits: Sequence[SignalHit], labels: Mapping[str, float], limits: Conversation) -> tuple[Mark, ...]:
    """What the next messages have to know of one with these hits and labels."""
    found: dict[Mark, None] = {}
    for hit in hits:
        mark, at = _FROM_HITS.get(hit.code, ("", 2.0))
        if mark and hit.score >= at:
            found[mark] = None
    if labels.get("insult", 0.0) >= limits.insult_at or labels.get("toxicity", 0.0) >= limits.toxicity_at:
        found["insult"] = None
    if labels.get("threat", 0.0) >= limits.threat_at:
        found["threat"] = None
    return tuple(found)
