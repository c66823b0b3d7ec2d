"""The socket of a trip's chat: `/ws/trips/{tripId}/chat`."""

from backend.api.sockets.route import chat_socket

__all__ = ["chat_socket"]
