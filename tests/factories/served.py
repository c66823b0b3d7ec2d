"""The real api on a real port, in a thread with a loop of its own: sync tests, async tests and browsers may call it."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from backend.app import create_app
from backend.cli.serving import configuration
from backend.clock import Clock
from backend.settings import Settings

START_WITHIN_S = 20.0


@contextmanager
def served(settings: Settings, *, producer: str = "api", clock: Clock | None = None) -> Generator[str]:
    """`http://127.0.0.1:PORT` of an api on `settings`; two of them are two processes of one installation."""
    app = create_app(settings, producer=producer, clock=clock)
    server = uvicorn.Server(configuration(app, settings, port=0))
    thread = threading.Thread(target=server.run, name=producer, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_WITHIN_S
    while not server.started:
        assert thread.is_alive(), "the api did not start"
        assert time.monotonic() < deadline, "the api did not start in time"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
