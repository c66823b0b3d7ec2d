"""The Dramatiq worker: an explicit broker, the actors of each package declared on it, nothing global."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import redis
import structlog
from dramatiq import Broker, Consumer, MessageProxy, Middleware, Worker
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import MiddlewareError
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.bootstrap import build, build_broker
from backend.clock import Clock
from backend.escalation import jobs as escalation_jobs
from backend.pipeline.services import Services
from backend.push import jobs as push_jobs
from backend.records import jobs as records_jobs
from backend.settings import SettingError, Settings

log = structlog.get_logger()

THREADS = 8
#: Threads with nothing to do look whether they shall end this often; a stop takes no longer.
THREAD_LOOKS_MS = 2_000
#: A queue in which nothing happens is asked this often all the same: a heartbeat, and a way out of a lost connection.
WAIT_S = 10
#: Pause of a queue of which as much is in hand as may be, and of one whose messages wait for their time.
FULL_S, LATER_S = 0.01, 0.2


class WaitingConsumer(Consumer):
    """Dramatiq's own consumer, which asks Valkey again and again, made to wait there until something comes.

    A page leaves the moment it is handed over, and a queue in which nothing happens costs nothing. The wait takes
    nothing out of the queue: BLMOVE puts the head of the list where it was.
    """

    def __init__(self, inner: Any, url: str, key: str, prefetch: int) -> None:
        self._inner, self._key, self._prefetch = inner, key, prefetch
        redis_class: Any = redis.Redis
        # No tries of its own: a line that reconnects unseen could not be called back by its number.
        self._line = redis_class.from_url(
            url,
            single_connection_client=True,
            socket_timeout=WAIT_S + 2.0,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        self._line_id: int | None = None
        self._hurried = False

    def __next__(self) -> MessageProxy | None:
        """The next message, or None when none came within `WAIT_S`. Raises ConnectionClosed."""
        message = next(self._inner)
        if message is None:
            self._wait()
        return message

    def _wait(self) -> None:
        in_hand: int = self._inner.outstanding_message_count
        if in_hand >= self._prefetch or self._hurried:
            time.sleep(FULL_S)
            return
        if in_hand and self._key.endswith(".DQ"):
            time.sleep(LATER_S)
            return
        try:
            if self._line_id is None:
                self._line_id = self._line.client_id()
            self._line.blmove(self._key, self._key, WAIT_S, "LEFT", "LEFT")
        except redis.TimeoutError:
            self._line_id = None  # it takes a new connection
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None

    def hurry(self, client: Any) -> None:
        """End the wait, and wait no more. `client`: another connection."""
        self._hurried = True
        for _ in range(2):  # the first may find a line that was cut while nobody used it
            with contextlib.suppress(redis.RedisError):
                if self._line_id is not None:
                    client.client_unblock(self._line_id)
                return

    def ack(self, message: MessageProxy) -> None:
        self._inner.ack(message)

    def nack(self, message: MessageProxy) -> None:
        self._inner.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._inner.requeue(messages)

    def close(self) -> None:
        self._inner.close()
        self._line.close()


class WaitingBroker(RedisBroker):
    """A Redis broker whose consumers wait in Valkey."""

    def __init__(self, plain: RedisBroker, url: str) -> None:
        parts: Any = plain
        cast("Any", super()).__init__(client=parts.client, middleware=parts.middleware, namespace=parts.namespace)
        self._url = url
        self._consumers: dict[str, WaitingConsumer] = {}

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """A consumer of this queue. Dramatiq's own one inside it pauses no longer than a millisecond."""
        inner = super().consume(queue_name, prefetch, timeout=1)
        made = WaitingConsumer(inner, self._url, f"{self.namespace}:{queue_name}", prefetch)
        self._consumers[queue_name] = made
        return made

    def hurry(self) -> None:
        """The worker stops: nobody waits any more."""
        for consumer in self._consumers.values():
            consumer.hurry(cast("Any", self).client)


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

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Let nobody wait for what comes later."""
        cast("WaitingBroker", broker).hurry()

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
    broker = WaitingBroker(build_broker(settings), settings.redis.url)
    inside = ServicesInLoop(settings, producer, clock)
    broker.add_middleware(inside)
    escalation_jobs.declare_actors(broker, inside.services)
    push_jobs.declare_actors(broker, inside.services)
    records_jobs.declare_actors(broker, inside.services)
    return Worker(broker, worker_threads=THREADS, worker_timeout=THREAD_LOOKS_MS)


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
