"""The short way in for messages: the same answer as the route's, without the framework around it."""

from backend.api.door.protocol import ShortWay

__all__ = ["ShortWay"]
