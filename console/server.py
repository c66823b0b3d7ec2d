"""The console's web server: Streamlit, with our own routes for sign-in and the alarm feed in front of it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.pages import PAGES
from console.routes.assets import asset_routes
from console.routes.gate import Gate
from console.routes.live import live_routes
from console.routes.sign_in import sign_in_routes
from console.settings import ConsoleSettings

SCRIPT = Path(__file__).with_name("app.py")


async def _home(request: Request) -> Response:
    """Streamlit knows its first page by the bare address alone; people type its name all the same."""
    return RedirectResponse("/" + (f"?{request.url.query}" if request.url.query else ""), 307)


def create_app(settings: ConsoleSettings) -> st.App:
    """Assemble the app; no request is made and nothing is listened on yet."""
    home = next(page for page in PAGES if page.default)
    return st.App(
        SCRIPT,
        routes=[*sign_in_routes(settings), *live_routes(settings), *asset_routes(), Route("/" + home.path, _home)],
        middleware=[Middleware(Gate, cookie=settings.cookie)],
    )
