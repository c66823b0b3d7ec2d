"""Too many messages in a short time, or the same one again and again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from moderation.content import Context, Recent
from moderation.normalise import View, fingerprint
from moderation.policy import FailureClass, Flood
from moderation.signals.base import Found
from moderation.verdict import SignalHit


class FloodSignal:
    """Counts the sender's last messages; scores are 1.0 over the limit."""

    name = "flood"
    failure: FailureClass = "hygiene"
    behaviour = True

    def __init__(self, limits: Flood) -> None:
        self._limits = limits

    def triggers(self) -> Iterable[tuple[str, int]]:
        """None: how often a person writes is in no text."""
        return ()

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        """Count this message too: it is the one more that floods."""
        if not context.recent:
            return ()
        limits, now = self._limits, context.now
        if self._floods(context.recent, now):
            return (SignalHit("flood", 1.0),)
        last = context.recent[-(limits.repeat_among - 1) :] if limits.repeat_among > 1 else ()
        close = [recent for recent in last if abs(now - recent.at) <= limits.repeat_window_s]
        if len(close) + 1 >= limits.max_repeats:
            own = context.fingerprint or fingerprint(view.original)
            if sum(recent.fingerprint == own for recent in close) + 1 >= limits.max_repeats:
                return (SignalHit("repeat", 1.0),)
        return ()

    def _floods(self, recent: Sequence[Recent], now: float) -> bool:
        """Whether this message is one more than may be in the window. The oldest first: nearly always it says no."""
        outside_at_most = len(recent) - self._limits.max_messages
        for message in recent if outside_at_most >= 0 else ():
            # A clock that jumped back must not make old messages count for ever: both ends of the window are checked.
            if abs(now - message.at) > self._limits.window_s:
                outside_at_most -= 1
                if outside_at_most < 0:
                    return False
        return outside_at_most >= 0
