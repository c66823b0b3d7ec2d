"""Our own hub over Valkey pub/sub: a bell, not a mailbox. Rows are the truth, and every gap is filled from them."""

from backend.realtime.bus import Bus
from backend.realtime.events import AUDIENCES, Audience, ChatEvent, Control, Numbered, Whisper
from backend.realtime.hub import Hub
from backend.realtime.lane import Lane, Mark, Subscriber

__all__ = [
    "AUDIENCES",
    "Audience",
    "Bus",
    "ChatEvent",
    "Control",
    "Hub",
    "Lane",
    "Mark",
    "Numbered",
    "Subscriber",
    "Whisper",
]
