"""Telephone: one small interface, Twilio and a console twin behind it, what their callbacks mean, a simulator."""

from backend.notification.factory import build_notifier
from backend.notification.interface import Failure, Notifier, Order, SendError, Sent, masked

__all__ = ["Failure", "Notifier", "Order", "SendError", "Sent", "build_notifier", "masked"]
