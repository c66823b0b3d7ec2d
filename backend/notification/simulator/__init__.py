"""Twilio over real HTTP for development, demonstrations and tests: the parts of its 2010 API that we use.

`tripwarden up` runs it when no account is set. It calls our webhooks with real signatures, fetches TwiML when a
call connects, and its phones belong to scripted people who answer, press digits and reply.
"""

from backend.notification.simulator.app import create_app
from backend.notification.simulator.exchange import Exchange, SimulatorConfig
from backend.notification.simulator.people import DEFAULT_PEOPLE, Person

__all__ = ["DEFAULT_PEOPLE", "Exchange", "Person", "SimulatorConfig", "create_app"]
