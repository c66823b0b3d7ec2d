"""The fixtures that every story stands on."""

from __future__ import annotations

import httpx

from backend.pipeline.services import Services
from tests.factories.tokens import Tokens, bearer


async def test_the_api_of_the_tests_is_ready_and_knows_their_keys(client: httpx.AsyncClient, tokens: Tokens) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    me = await client.get("/api/staff/me", headers=bearer(tokens.staff("moderator")))
    assert me.json()["role"] == "moderator"


def test_a_test_without_a_loop_may_call_it_too(api_url: str) -> None:
    assert httpx.get(f"{api_url}/health/live", trust_env=False).status_code == 200


async def test_the_services_share_its_database(services: Services) -> None:
    assert await services.pool.fetchval("SELECT 1") == 1
