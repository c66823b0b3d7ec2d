"""What several stories share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import httpx
import pytest

from backend.clock import Clock
from backend.settings import Settings
from tests.factories.chat import Chat
from tests.factories.served import served
from tests.factories.tokens import Tokens


@pytest.fixture
async def chat(client: httpx.AsyncClient, tokens: Tokens) -> AsyncGenerator[Chat]:
    """A trip that has been accepted, with two people who have not opened their telephones yet."""
    story = Chat(client, tokens)
    await story.begin()
    yield story
    await story.hang_up()


@pytest.fixture(scope="module")
def other_api_url(settings: Settings, clock: Clock) -> Generator[str]:
    """A second api of the same installation."""
    with served(settings, producer="api-2", clock=clock) as url:
        yield url
