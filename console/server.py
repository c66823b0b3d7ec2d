"""The console's web server: Streamlit, with our own routes for sign-in and the alarm feed in front of it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from console.routes.assets import asset_routes
from console.routes.gate import Gate
from console.routes.live import live_routes
from console.routes.sign_in import sign_in_routes
from console.settings import ConsoleSettings

SCRIPT = Path(__file__).with_name("app.py")


def create_app(settings: ConsoleSettings) -> st.App:
    """Assemble the app; no request is made and nothing is listened on yet."""
    return st.App(
        SCRIPT,
        routes=[*sign_in_routes(settings), *live_routes(settings), *asset_routes()],
        middleware=[Middleware(Gate, cookie=settings.cookie)],
    )
