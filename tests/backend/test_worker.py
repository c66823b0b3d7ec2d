"""The worker waits in Valkey: what is handed over is done at once, and a stop waits for nobody."""

from __future__ import annotations

import queue
import time
from collections.abc import Generator
from typing import Any, cast
from uuid import uuid4

import dramatiq
import pytest
import redis
from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker

from backend.worker import WaitingBroker

DONE_WITHIN_S = 10.0


@pytest.fixture
def done() -> queue.Queue[tuple[int, float]]:
    return queue.Queue()


@pytest.fixture
def at_work(redis_url: str, done: queue.Queue[tuple[int, float]]) -> Generator[tuple[WaitingBroker, Worker, Any]]:
    """A worker with nothing to do, and the actor that it has."""
    namespace = f"test-{uuid4().hex}"
    broker = WaitingBroker(RedisBroker(url=redis_url, middleware=[], namespace=namespace), redis_url)

    def note(number: int) -> None:
        done.put((number, time.monotonic()))

    actor = cast("Any", dramatiq.actor)(note, broker=broker, queue_name="letters")
    worker = Worker(broker, worker_threads=2, worker_timeout=500)
    worker.start()
    try:
        yield broker, worker, actor
    finally:
        broker.hurry()
        worker.stop()
        broker.close()


def test_what_comes_into_a_quiet_queue_is_done_at_once(at_work: Any, done: queue.Queue[tuple[int, float]]) -> None:
    _, _, actor = at_work
    time.sleep(0.5)
    for number in range(5):
        handed_over = time.monotonic()
        actor.send(number)
        found, at = done.get(timeout=DONE_WITHIN_S)
        assert found == number
        assert at - handed_over < 0.25
        time.sleep(0.1)


def test_more_than_a_worker_takes_at_once_is_all_done_once(at_work: Any, done: queue.Queue[tuple[int, float]]) -> None:
    _, _, actor = at_work
    for number in range(200):
        actor.send(number)
    assert sorted(done.get(timeout=DONE_WITHIN_S)[0] for _ in range(200)) == list(range(200))
    time.sleep(0.2)
    assert done.empty()


def test_what_is_for_later_is_done_later(at_work: Any, done: queue.Queue[tuple[int, float]]) -> None:
    _, _, actor = at_work
    handed_over = time.monotonic()
    actor.send_with_options(args=(1,), delay=700)
    _, at = done.get(timeout=DONE_WITHIN_S)
    assert 0.6 < at - handed_over < 2.0


def test_a_stop_does_not_wait_for_what_may_come(at_work: Any) -> None:
    broker, worker, _ = at_work
    time.sleep(0.5)
    begun = time.monotonic()
    broker.hurry()
    worker.stop()
    assert time.monotonic() - begun < 2.0


def test_a_cut_line_is_made_anew(at_work: Any, redis_url: str, done: queue.Queue[tuple[int, float]]) -> None:
    _, _, actor = at_work
    time.sleep(0.3)
    client: Any = cast("Any", redis.Redis).from_url(redis_url)
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client.close()
    actor.send(1)
    assert done.get(timeout=DONE_WITHIN_S)[0] == 1
