"""Which telephone this installation has."""

from __future__ import annotations

from backend.notification.console_notifier import ConsoleNotifier
from backend.notification.interface import Notifier
from backend.notification.twilio_client import TwilioNotifier
from backend.notification.webhooks import public_url
from backend.settings import Settings


def build_notifier(settings: Settings) -> Notifier:
    """Twilio (or its simulator) when an account is configured, else the console twin. Connects nothing yet."""
    if settings.twilio.account_sid:
        return TwilioNotifier(settings.twilio, public_url(settings))
    return ConsoleNotifier()
