"""Is it well? Asked over HTTP, as anybody else would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

TIMEOUT_S = 2.0


def answers(url: str, *, below: int = 300) -> Callable[[], Awaitable[bool]]:
    """A question that is true once `url` answers with a status below `below`."""

    async def ask() -> bool:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
                return (await client.get(url)).status_code < below
        except httpx.HTTPError:
            return False

    return ask


async def what_is_wrong(url: str) -> str:
    """The answer of a readiness address in a few words; empty when it is well."""
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return "" if answer.is_success else f"{answer.status_code} {answer.text[:300]}"
