"""The same text to many trips: nobody drives that many at once, whoever does it sells something."""

from __future__ import annotations

from moderation.conversation.base import Now


class SameText:
    """The sender said the same in several other trips within minutes; greetings are too short to count."""

    name = "same_text"

    def look(self, now: Now) -> bool:
        """Count this trip, too."""
        at, window = now.context.now, now.limits.same_text_window_s
        others = sum(abs(at - said) <= window for said in now.context.same_text_at)
        return 1 + others >= now.limits.same_text_trips
