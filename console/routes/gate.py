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
ALARM = b'<script type="module" src="/assets/alarm.js"></script>'
OPEN_PATHS = {"/sign-in", "/session", "/session/end", "/live"}
OPEN_FOLDERS = ("/assets/", "/_stcore/", "/static/", "/media/", "/component/")


class Gate:
    """ASGI middleware: a page asked for without a session cookie becomes a redirect to `/sign-in`.

    It only saves a detour. What a person may see is decided by the api, which checks the token on each call. Pages
    that pass get the alarm's script, so that the alarm does not wait for Streamlit, nor for a script of ours.
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
            query = scope["query_string"].decode("latin-1")
            target = f"/sign-in?to={quote(scope['path'] + ('?' + query if query else ''))}"
            await RedirectResponse(target, 303)(scope, receive, send_guarded)
            return
        if self._wants_page(scope):
            await self.app(_uncompressed(scope), receive, _WithAlarm(send_guarded).send)
            return
        await self.app(scope, receive, send_guarded)

    @staticmethod
    def _wants_page(scope: Scope) -> bool:
        path: str = scope["path"]
        wants_html = "text/html" in Headers(scope=scope).get("accept", "")
        is_open = path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
        return scope["method"] == "GET" and wants_html and not is_open


class _WithAlarm:
    """Adds `ALARM` to an HTML answer, which is collected whole: Streamlit's page has a few kilobytes."""

    def __init__(self, send: Send) -> None:
        self._send, self._body = send, b""
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Hold the start back until the length is known."""
        if message["type"] == "http.response.start":
            if "text/html" in Headers(raw=message["headers"]).get("content-type", ""):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            page = self._body.replace(b"</head>", ALARM + b"</head>", 1)
            MutableHeaders(scope=self._start)["Content-Length"] = str(len(page))
            await self._send(self._start)
            message = {"type": "http.response.body", "body": page}
        await self._send(message)


def _uncompressed(scope: Scope) -> Scope:
    """The same request from a browser that reads no gzip, and that has no copy of the page yet."""
    drop = {b"accept-encoding", b"if-none-match", b"if-modified-since", b"range"}
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name.lower() not in drop]}
