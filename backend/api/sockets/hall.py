"""What all chat sockets of a process share."""

from __future__ import annotations

from typing import NamedTuple

from backend.api.sockets.presence import Presence
from backend.api.sockets.registry import Seat, SocketRegistry
from backend.messages.wire import frame
from backend.pipeline.services import Services
from backend.realtime import AUDIENCES


class Hall(NamedTuple):
    """The product's services, who is here, and who is said to be online anywhere."""

    services: Services
    registry: SocketRegistry
    presence: Presence

    def tell_peer(self, seat: Seat, event: str) -> None:
        """Tell the other side something about this person that may be lost."""
        data = {"userId": seat.caller.id, "userType": seat.caller.role}
        for side in AUDIENCES:
            if side != seat.caller.role:
                self.services.hub.whisper(seat.trip_id, side, frame(event, data))
