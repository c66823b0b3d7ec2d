"""Insult after insult: one may be a bad moment, several in a quarter of an hour are not."""

from __future__ import annotations

from moderation.conversation.base import Now


class InsultSeries:
    """This message and earlier ones of its sender, to the same person, insult."""

    name = "insult_series"

    def look(self, now: Now) -> bool:
        """Count this one, too."""
        if "insult" not in now.marks:
            return False
        return 1 + sum(now.own(turn) and "insult" in turn.marks for turn in now.before()) >= now.limits.insults
