"""Sends people without a session to the sign-in page, and keeps the console out of foreign frames."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'; form-action 'self'; base-uri 'self'",
}
OPEN_PATHS = {"/sign-in", "/session", "/session/end", "/live"}
OPEN_FOLDERS = ("/assets/", "/_stcore/", "/static/", "/media/", "/component/")


class Gate:
    """ASGI middleware: a page asked for without a session cookie becomes a redirect to `/sign-in`.

    It only saves a detour. What a person may see is decided by the api, which checks the token on each call.
    """

    def __init__(self, app: ASGIApp, cookie: str) -> None:
        self.app, self.cookie = app, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, redirect, or add the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if self._wants_page(scope) and self.cookie not in Request(scope).cookies:
            target = f"/sign-in?to={quote(scope['path'])}"
            await RedirectResponse(target, 303)(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)

    @staticmethod
    def _wants_page(scope: Scope) -> bool:
        path: str = scope["path"]
        wants_html = "text/html" in Headers(scope=scope).get("accept", "")
        is_open = path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
        return scope["method"] == "GET" and wants_html and not is_open
