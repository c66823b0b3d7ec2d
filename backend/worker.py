"""The Dramatiq worker: an explicit broker, the actors of each package declared on it, nothing global."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import MiddlewareError

from backend.bootstrap import build, build_broker
from backend.clock import Clock
from backend.escalation import jobs as escalation_jobs
from backend.pipeline.services import Services
from backend.push import jobs as push_jobs
from backend.records import jobs as records_jobs
from backend.settings import SettingError, Settings

log = structlog.get_logger()

THREADS = 8


class NotBooted(MiddlewareError):
    """The services did not open. Dramatiq lets only this kind through: after any other it works on, without them."""


class ServicesInLoop(Middleware):
    """Builds the services inside the event loop of Dramatiq's AsyncIO middleware, where the actors run.

    Stands after AsyncIO: Dramatiq boots its middleware in order and shuts it down in reverse.
    """

    def __init__(self, settings: Settings, producer: str, clock: Clock | None) -> None:
        self._settings, self._producer, self._clock = settings, producer, clock
        self._context: AbstractAsyncContextManager[Services] | None = None
        self._services: Services | None = None

    def services(self) -> Services:
        """The running services. Raises RuntimeError before the worker has booted."""
        if self._services is None:
            raise RuntimeError("the worker has not booted")
        return self._services

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Open everything. Raises `NotBooted`."""
        context = build(self._settings, producer=self._producer, clock=self._clock, broker=_own(broker))
        try:
            self._services = _loop().run_coroutine(context.__aenter__())
        except Exception as error:
            raise NotBooted(type(error).__name__) from error
        self._context = context

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close everything."""
        if self._context is not None:
            _loop().run_coroutine(self._context.__aexit__(None, None, None))
        self._services = None


def _own(broker: Broker) -> RedisBroker:
    assert isinstance(broker, RedisBroker)
    return broker


def _loop() -> EventLoopThread:
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("the event loop of the worker does not run")
    return thread


def build_worker(settings: Settings, *, producer: str = "worker", clock: Clock | None = None) -> Worker:
    """A worker with every actor declared; `start` it, `stop` it."""
    broker = build_broker(settings)
    inside = ServicesInLoop(settings, producer, clock)
    broker.add_middleware(inside)
    escalation_jobs.declare_actors(broker, inside.services)
    push_jobs.declare_actors(broker, inside.services)
    records_jobs.declare_actors(broker, inside.services)
    return Worker(broker, worker_threads=THREADS)


def run(settings: Settings, name: str = "worker", ready: Callable[[], None] = lambda: None) -> int:
    """The process `tripwarden worker`; 1 when it cannot start. `ready` is called once it works. Raises SettingError."""
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    worker = build_worker(settings, producer=name)
    try:
        worker.start()
    except NotBooted as error:
        log.error("worker.not_booted", name=name, error=str(error), exc_info=error.__cause__)
        worker.stop()
        if isinstance(error.__cause__, SettingError):
            raise error.__cause__ from None
        return 1
    log.info("worker.ready", name=name)
    ready()
    stopping.wait()
    worker.stop()
    return 0
