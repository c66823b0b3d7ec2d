"""`GET /live`: the api's live feed under the console's own origin, with the token from the HttpOnly cookie.

Events to the browser: `status` (data as in the staff api), `beat` (the feed is alive), `down` (it is not, and why) and
`signed-out`. The browser shows `down`: an alarm bar that may be deaf must say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from console.settings import ConsoleSettings

SILENCE_S = 25.0  # the api beats every 10 s; two missed beats and it counts as gone
RETRY_S = 1.0


def live_routes(settings: ConsoleSettings) -> list[BaseRoute]:
    """The feed's one route."""

    async def live(request: Request) -> Response:
        token = request.cookies.get(settings.cookie, "")
        if not token:
            return Response(status_code=401)
        return StreamingResponse(
            relay(settings.api_url, token),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return [Route("/live", live, methods=["GET"])]


async def relay(api_url: str, token: str) -> AsyncIterator[str]:
    """Lines for the browser, until it goes away or the token ends."""
    yield "retry: 1000\n\n"
    timeout = httpx.Timeout(5.0, read=SILENCE_S)
    verify = api_url.startswith("https")
    async with httpx.AsyncClient(timeout=timeout, verify=verify, trust_env=False) as client:
        while True:
            why = "unreachable"
            try:
                async for event in _listen(client, api_url, token):
                    yield event
                    if event.startswith("event: signed-out"):
                        return
            except httpx.TimeoutException:
                why = "silent"
            except httpx.HTTPError:
                why = "unreachable"
            yield f'event: down\ndata: {{"why": "{why}"}}\n\n'
            await asyncio.sleep(RETRY_S)


async def _listen(client: httpx.AsyncClient, api_url: str, token: str) -> AsyncIterator[str]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with client.stream("GET", f"{api_url}/api/staff/live", headers=headers) as answer:
        if answer.status_code in {401, 403}:
            yield "event: signed-out\ndata: {}\n\n"
            return
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                yield f"event: status\n{line}\n\n"
            elif line.startswith(":"):
                yield "event: beat\ndata: {}\n\n"
