"""uvicorn, set up for many small frames and phones that vanish."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from backend.api.door import ShortWay
from backend.api.protocol import BoundedHttp
from backend.api.proxies import behind_proxies
from backend.api.sockets.handover import Handshake, UpgradingHttp
from backend.settings import Settings

#: Connections that wait for a free accept, shared by all processes on one socket.
BACKLOG = 2048
STOP_WITHIN_S = 5


class Http(UpgradingHttp, BoundedHttp, ShortWay):
    """HTTP/1.1 with bounds before, the short way behind them, and nothing lost where it becomes a socket."""


class Server(uvicorn.Server):
    """A server that calls `ready` once it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    settings: Settings, *, port: int | None = None, fd: int | None = None, ready: Callable[[], None] = lambda: None
) -> int:
    """Run one api process until it is told to stop."""
    from backend.app import create_app

    app = create_app(settings, producer=settings.log.process or "api")
    server = Server(configuration(app, settings, port=port, fd=fd), ready)
    server.run()
    return 0 if server.started else 1


def configuration(app: object, settings: Settings, *, port: int | None = None, fd: int | None = None) -> uvicorn.Config:
    """uvicorn's settings for the api. Not its proxy headers: ours count the hops that a client must not choose."""
    http, ws = behind_proxies(settings.api, Http, Handshake)
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        host=settings.api.host,
        port=settings.api.port if port is None else port,
        fd=fd,
        loop="uvloop",
        http=http,
        ws=ws,
        ws_max_size=settings.limit.frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=BACKLOG,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        log_config=None,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        lifespan="on",
    )
