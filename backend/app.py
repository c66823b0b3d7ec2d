"""`create_app`: Litestar assembled from bootstrap; no logic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from backend.api import access_history, emergency, health, messages, platform, templates, tickets, twilio
from backend.api.guards import provide_caller, provide_services
from backend.api.limits import AddressLimits
from backend.api.metrics import Siblings, own_families
from backend.api.problems import respond
from backend.api.sockets import chat_socket
from backend.api.sockets.presence import Presence
from backend.api.sockets.registry import SocketRegistry
from backend.api.staff import audit, cases, incidents, live, people, retention, session, trips
from backend.api.staff import templates as staff_templates
from backend.bootstrap import build
from backend.clock import Clock
from backend.settings import Settings

ROUTES = [
    messages.router,
    templates.router,
    tickets.router,
    access_history.router,
    platform.router,
    emergency.router,
    twilio.router,
    health.router,
    chat_socket,
    session.router,
    trips.router,
    cases.router,
    people.router,
    staff_templates.router,
    incidents.router,
    audit.router,
    retention.router,
    live.router,
]

OPENAPI = OpenAPIConfig(
    title="Tripwarden",
    version="1",
    description="Trip chat, moderation desk, emergency line. Errors are application/problem+json with a stable code.",
    path="/schema",
    use_handler_docstrings=True,
    render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    components=Components(
        security_schemes={"token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
    ),
    security=[{"token": []}],
)


def create_app(settings: Settings, *, producer: str = "api", clock: Clock | None = None) -> Litestar:
    """The api as an ASGI application. Connects when it starts, lets go when it stops."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        async with build(settings, producer=producer, clock=clock) as services:
            app.state.services = services
            app.state.sockets = SocketRegistry(services)
            app.state.presence = Presence(services.redis)
            app.state.siblings = Siblings(settings.data.dir, lambda: own_families(services, app.state.sockets))
            await app.state.siblings.start()
            tasks = (
                asyncio.create_task(app.state.sockets.watch(), name="sockets-watch"),
                asyncio.create_task(app.state.presence.keep(app.state.sockets.present), name="presence-keep"),
            )
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await app.state.siblings.stop()
                await app.state.sockets.elsewhere.close()
                await asyncio.gather(*tasks, return_exceptions=True)

    handlers: dict[Any, Any] = {Exception: respond}
    app = Litestar(
        route_handlers=ROUTES,
        lifespan=[lifespan],
        dependencies={
            "services": Provide(provide_services, sync_to_thread=False),
            "caller": Provide(provide_caller, sync_to_thread=False),
        },
        exception_handlers=handlers,
        openapi_config=OPENAPI,
        request_max_body_size=settings.api.max_body_bytes,
        request_class=Request,
        logging_config=None,
        debug=False,
    )
    # Around the router and not behind it: a call that fits no route counts too.
    app.asgi_handler = AddressLimits(app.asgi_handler)
    return app
