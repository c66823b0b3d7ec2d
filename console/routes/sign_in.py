"""Sign-in and sign-out. The token lives in an HttpOnly cookie, so no script of a page can read it and F5 keeps it.

The form is plain HTML: a password manager fills it, and the password never travels through Streamlit's socket.
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from console.api import ApiError, StaffApi
from console.session import api_timeout
from console.settings import ConsoleSettings
from console.wire import SignedIn

MAX_FORM_BYTES = 8 * 1024
WHY = {
    "wrong": "Email and password do not match an active account.",
    "wait": "Too many tries. Wait a minute, then try again.",
    "unreachable": "The api cannot be reached, so nobody can sign in right now. Try again in a moment.",
    "ended": "Your sign-in has ended. Sign in again to go on.",
    "out": "You are signed out.",
    "form": "Fill in both fields.",
}


def sign_in_routes(settings: ConsoleSettings) -> list[BaseRoute]:
    """`GET /sign-in`, `POST /session`, `POST /session/end`."""

    async def page(request: Request) -> Response:
        return _page(request.query_params.get("why", ""), request.query_params.get("to", "/"))

    async def begin(request: Request) -> Response:
        return await _begin(request, settings)

    async def end(request: Request) -> Response:
        return await _end(request, settings)

    return [
        Route("/sign-in", page, methods=["GET"]),
        Route("/session", begin, methods=["POST"]),
        Route("/session/end", end, methods=["POST"]),
    ]


async def _begin(request: Request, settings: ConsoleSettings) -> Response:
    if not _same_origin(request):
        return Response("A sign-in comes from this console's own page.", 403)
    raw = await _form(request)
    email, password, to = (raw.get(name, "") for name in ("email", "password", "to"))
    if not email or not password:
        return _page("form", to, email, status=422)
    try:
        signed_in = await run_in_threadpool(_exchange, settings, email, password)
    except ApiError as error:
        return _page(_why(error), to, email, status=error.status or 503)
    response = RedirectResponse(_safe(to), 303)
    response.set_cookie(
        settings.cookie,
        signed_in.token,
        expires=signed_in.expires_at,
        httponly=True,
        samesite="strict",
        secure=settings.secure_cookie or request.url.scheme == "https",
        path="/",
    )
    return response


async def _end(request: Request, settings: ConsoleSettings) -> Response:
    if not _same_origin(request):
        return Response("A sign-out comes from this console's own pages.", 403)
    token = request.cookies.get(settings.cookie, "")
    if token:
        await run_in_threadpool(_revoke, settings, token)
    response = RedirectResponse("/sign-in?why=out", 303)
    response.delete_cookie(settings.cookie, path="/", httponly=True, samesite="strict")
    return response


def _exchange(settings: ConsoleSettings, email: str, password: str) -> SignedIn:
    api = StaffApi(settings.api_url, "", api_timeout(settings))
    try:
        return api.sign_in(email, password)
    finally:
        api.close()


def _revoke(settings: ConsoleSettings, token: str) -> None:
    api = StaffApi(settings.api_url, token, api_timeout(settings))
    try:
        api.sign_out()
    except ApiError:
        return  # the cookie goes in any case; the token ends by itself
    finally:
        api.close()


def _why(error: ApiError) -> str:
    if error.status == 429:
        return "wait"
    return "wrong" if error.status in {400, 401, 403, 404, 422} else "unreachable"


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}


def _same_origin(request: Request) -> bool:
    """Browsers name where a form came from; another site must not sign somebody in or out."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _safe(to: str) -> str:
    """Only a path of our own; `//host` and `/\\host` would lead away."""
    return to if to.startswith("/") and to[1:2] not in {"/", "\\"} and to.isprintable() else "/"


def _page(why: str, to: str, email: str = "", status: int = 200) -> HTMLResponse:
    said = WHY.get(why, "")
    notice = f'<p class="why" role="alert">{escape(said)}</p>' if said else ""
    html = PAGE.format(notice=notice, to=escape(_safe(to)), email=escape(email))
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in - Tripwarden</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/assets/sign_in.css"></head>
<body><main><h1>Tripwarden</h1><p class="sub">Safety console</p>{notice}
<form method="post" action="/session">
<input type="hidden" name="to" value="{to}">
<label for="email">Email</label>
<input id="email" name="email" type="email" autocomplete="username" required autofocus value="{email}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button></form>
<p class="sub">Everything you open here is recorded, and people can see who read their trip.</p>
</main></body></html>"""
