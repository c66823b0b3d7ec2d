"""A wish to be left alone is ignored: the sender goes on and on without an answer."""

from __future__ import annotations

from moderation.conversation.base import Now


class StopIgnored:
    """The other side asked to be left alone, has said nothing since, and this is one more message."""

    name = "stop_ignored"

    def look(self, now: Now) -> bool:
        """Count the messages since the other side's last word, if that was the wish."""
        since = 1
        for turn in reversed(now.before()):
            if not now.own(turn):
                return "stop" in turn.marks and since >= now.limits.stop_messages
            since += 1
        return False
