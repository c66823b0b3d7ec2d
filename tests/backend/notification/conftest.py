from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest

from backend.notification.interface import Notifier
from backend.notification.simulator.people import COMPANY_NUMBER
from backend.notification.twilio_client import TwilioNotifier
from backend.settings import TwilioSettings
from tests.backend.notification.harness import Hook, Simulator, hooked, simulating


@pytest.fixture(scope="module")
async def simulator() -> AsyncGenerator[Simulator]:
    async with simulating() as running:
        yield running


@pytest.fixture
async def hook(simulator: Simulator) -> AsyncGenerator[Hook]:
    async with hooked() as running:
        yield running
        await simulator.reset()


@pytest.fixture
def telephone(simulator: Simulator, hook: Hook) -> Generator[Notifier]:
    settings = TwilioSettings(
        account_sid=simulator.config.account_sid,
        auth_token=simulator.config.auth_token,
        from_number=COMPANY_NUMBER,
        api_base=simulator.url,
    )
    notifier = TwilioNotifier(settings, hook.url)
    yield notifier
    notifier.close()
