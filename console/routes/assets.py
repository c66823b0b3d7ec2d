"""The few files that a browser loads from an address of their own."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parent.parent / "components"
SERVED = {"alarm.js": "text/javascript", "live_worker.js": "text/javascript", "sign_in.css": "text/css"}


def asset_routes() -> list[BaseRoute]:
    """`GET /assets/{name}` for the few names in `SERVED`."""
    return [Route("/assets/{name}", _asset)]


async def _asset(request: Request) -> Response:
    name: str = request.path_params["name"]
    if name not in SERVED:
        return Response(status_code=404)
    body = (FOLDER / name).read_bytes()
    return Response(body, media_type=SERVED[name], headers={"Cache-Control": "no-cache"})
