"""No answer after a threat: who was threatened has fallen silent, and the one who threatened goes on."""

from __future__ import annotations

from moderation.conversation.base import Now


class ThreatUnanswered:
    """The sender threatened in this trip, the other side has said nothing since, and some time has passed."""

    name = "threat_unanswered"

    def look(self, now: Now) -> bool:
        """Look back to the other side's last word."""
        for turn in reversed(now.before()):
            if not now.own(turn) or not turn.same_trip:
                return False
            if "threat" in turn.marks and now.context.now - turn.at >= now.limits.silence_s:
                return True
        return False
