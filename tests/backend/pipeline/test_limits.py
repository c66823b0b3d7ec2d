"""Token buckets: exact in one process, one bucket over several, and nobody's trouble when Valkey has its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import ProblemError
from backend.pipeline.limits import TokenBuckets
from backend.pipeline.limits.shared import SOON_S
from backend.supervisor.valkey import Valkey, prepare
from tests.backend.pipeline.hosts import Hosts, awake, hosts, let_through
from tests.fakes.silence import silent_server

RATE, BURST = 10.0, 20.0


def run(story: Coroutine[Any, Any, None]) -> None:
    """A story in a loop of its own: hypothesis tells many."""
    asyncio.run(story)


def bound(seconds: float, count: int, *, rate: float = RATE, burst: float = BURST) -> float:
    """The bound that `backend.pipeline.limits.shared` states, with rounds every SOON_S."""
    return rate * seconds * (1 + count / 30) + count * (burst + rate * SOON_S)


# -- one process ---------------------------------------------------------------------------------------------------


def test_a_burst_goes_through_and_then_as_much_as_the_rate_allows() -> None:
    now = [0.0]
    buckets = TokenBuckets(RATE, BURST, now=lambda: now[0])
    assert sum(let_through(buckets, "a") for _ in range(50)) == BURST
    for _ in range(20):
        now[0] += 0.5
        assert sum(let_through(buckets, "a") for _ in range(50)) == RATE * 0.5
    now[0] += 3600.0
    assert sum(let_through(buckets, "a") for _ in range(50)) == BURST


def test_a_refusal_says_when_it_will_be_let_through() -> None:
    now = [0.0]
    buckets = TokenBuckets(RATE, BURST, now=lambda: now[0])
    for _ in range(int(BURST)):
        buckets.take("a")
    with pytest.raises(ProblemError) as refused:
        buckets.take("a")
    now[0] += (refused.value.retry_after_s or 0) + 1e-6
    buckets.take("a")


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = TokenBuckets(RATE, 1)
    assert [let_through(buckets, key) for key in ("a", "b", "a")] == [True, True, False]


def test_whoever_fills_the_memory_does_not_empty_their_own_bucket() -> None:
    now = [0.0]
    buckets = TokenBuckets(RATE, 2, now=lambda: now[0], remembered=100)
    assert [let_through(buckets, "greedy") for _ in range(3)] == [True, True, False]
    for other in range(99):
        buckets.take(other)
    now[0] += 0.11  # the others' buckets are full again, and this one has one token
    for other in range(1000, 1090):
        buckets.take(other)
    assert [let_through(buckets, "greedy") for _ in range(2)] == [True, False]
    assert len(buckets) <= 100


# -- several processes ---------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, 0.01, 0.15, 0.5, 3.0])), max_size=12)


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_alone_the_shared_bucket_is_exactly_the_own_one(redis_url: str, steps: list[tuple[int, float]]) -> None:
    async def story() -> None:
        async with hosts(redis_url, 1, RATE, BURST) as one:
            own = TokenBuckets(RATE, BURST, now=lambda: one.now_s)
            for wanted, seconds in steps:
                assert one.take(0, wanted) == sum(let_through(own, "k") for _ in range(wanted))
                await one.reconcile()
                await one.move(seconds)

    run(story())


ROUND = st.tuples(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.permutations(range(3)))


@settings(max_examples=20, deadline=None)
@given(rounds=st.lists(ROUND, min_size=1, max_size=20))
def test_together_processes_let_no_more_through_than_the_bound(
    redis_url: str, rounds: list[tuple[list[int], list[int]]]
) -> None:
    async def story() -> None:
        async with hosts(redis_url, 3, RATE, BURST) as three:
            through = 0
            for number, (wanted, order) in enumerate(rounds):
                through += sum(three.take(host, wanted[host]) for host in order)
                assert through <= bound(number * SOON_S, 3)
                await three.move(SOON_S)
                await three.reconcile(*order)

    run(story())


async def flood(many: Hosts, seconds: float) -> int:
    """As much as goes, everywhere, for so long."""
    through = 0
    for _ in range(round(seconds / SOON_S)):
        through += sum(many.take(host, 50) for host in range(len(many.buckets)))
        await many.move(SOON_S)
        await many.reconcile()
    return through


async def test_a_flood_over_four_processes_gets_the_rate_of_one(redis_url: str) -> None:
    async with hosts(redis_url, 4, RATE, BURST) as four:
        through = await flood(four, 30.0)
        apart = 4 * (BURST + RATE * 30.0)
        assert RATE * 30.0 * 0.9 <= through <= bound(30.0, 4) < 0.5 * apart
        # What was overdrawn at first is paid back: after that there is one bucket; Valkey's clock goes on by itself.
        started = time.monotonic()
        through = await flood(four, 30.0)
        assert through <= RATE * (30.0 + time.monotonic() - started) + 4 * RATE * SOON_S + 1


async def test_going_from_process_to_process_wins_one_burst_each_and_no_more(redis_url: str) -> None:
    async with hosts(redis_url, 3, RATE, BURST) as three:
        through, steps = 0, 300
        for number in range(steps):
            through += three.take((number // 14) % 3, 50)
            await three.move(SOON_S)
            await three.reconcile()
        assert through <= bound(steps * SOON_S, 3)


async def test_what_a_quiet_key_does_is_nobodys_business(redis_url: str) -> None:
    async with hosts(redis_url, 2, RATE, BURST) as two:
        for _ in range(200):
            assert two.take(0) + two.take(1) == 2
            await two.move(4.0)
            await two.reconcile()
        assert [one.answered for one in two.shared] == [0, 0]


async def test_many_keys_are_told_of_in_few_calls(redis_url: str) -> None:
    async with hosts(redis_url, 2, RATE, BURST) as two:
        for key in range(1000):
            two.take(0, int(BURST), str(key))
            two.take(1, int(BURST), str(key))
        await two.reconcile()
        await two.reconcile(0)
        assert two.shared[0].answered == 4
        await two.move(1.0)
        for key in (0, 500, 999):
            assert two.take(1, 1, str(key)) == 0, "the second process knows what the first let through"


# -- a Valkey with troubles ----------------------------------------------------------------------------------------


@pytest.fixture
def own_valkey() -> Generator[Valkey]:
    """One that a test may kill; not running yet."""
    directory = Path(tempfile.mkdtemp(prefix="tripwarden-tests-", dir="/tmp" if os.geteuid() == 0 else None))
    directory.chmod(0o755)
    yield prepare(directory)
    shutil.rmtree(directory, ignore_errors=True)


async def test_an_emptied_valkey_gives_nobody_anything_back(redis_url: str) -> None:
    async with hosts(redis_url, 2, RATE, BURST) as two:
        through = 0
        for _ in range(100):
            await two.redis.flushall()
            through += two.take(0, 50) + two.take(1, 50)
            await two.move(SOON_S)
            await two.reconcile()
        # At worst each of them limits alone.
        assert through <= 2 * (RATE * 100 * SOON_S + BURST)
        assert await flood(two, 30.0) <= bound(30.0, 2)


async def test_a_valkey_whose_clock_goes_back_starves_nobody(redis_url: str) -> None:
    async with hosts(redis_url, 1, RATE, BURST) as one:
        one.take(0, 50)
        await one.reconcile()
        async for name in one.redis.scan_iter(f"*{one.name}*"):
            level, at = (await one.redis.get(name)).split()
            await one.redis.set(name, b"%s %d" % (level, int(at) + 3_600_000))
        for _ in range(10):
            await one.move(1.0)
            assert one.take(0, 50) >= RATE * 0.9
            await one.reconcile()


async def test_nobody_waits_for_a_valkey_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.pipeline.limits.shared.PATIENCE_S", 0.1)
    async with silent_server() as (silent, connections), hosts(silent, 2, RATE, BURST, moved=False) as two:
        started = time.monotonic()
        assert [two.take(host, 50) for host in (0, 1)] == [BURST, BURST]
        assert time.monotonic() - started < 0.1
        for _ in range(100):
            if all(one.missed for one in two.shared):
                break
            await asyncio.sleep(0.05)
        assert [one.missed for one in two.shared] == [1, 1]
        called = len(connections)
        assert two.take(0, 50) >= 1
        await asyncio.sleep(SOON_S + 0.2)
        assert len(connections) == called, "it is left alone for a while"


async def test_a_killed_valkey_is_nobodys_refusal_and_afterwards_there_is_one_bucket_again(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.pipeline.limits.shared.REST_S", (0.02, 0.02))
    async with hosts(own_valkey.url, 2, RATE, BURST) as two:
        async with awake(own_valkey) as child:
            assert await flood(two, 15.0) <= bound(15.0, 2)
            child.kill()
            child.wait()
            two.now_s += 60.0
            assert two.take(0, 50) == BURST
            await two.reconcile()
            two.now_s += 60.0
            assert [two.take(host, 50) for host in (0, 1)] == [BURST, BURST], "each alone"
            await two.reconcile()
            assert [one.missed > 0 for one in two.shared] == [True, True]
        async with awake(own_valkey):
            await two.redis.connection_pool.disconnect()
            await asyncio.sleep(0.05)
            two.now_s += BURST / RATE
            # What they let through alone is not held against anybody.
            assert [two.take(host, 50) for host in (0, 1)] == [BURST, BURST]
            assert await flood(two, 60.0) <= bound(60.0, 2) < 2 * RATE * 60.0


async def test_in_real_time_two_processes_keep_to_the_bound_by_themselves(redis_url: str) -> None:
    rate, burst, seconds = 100.0, 30.0, 2.0
    async with hosts(redis_url, 2, rate, burst, moved=False) as two:
        through, until = 0, time.monotonic() + seconds
        for host in itertools.cycle((0, 1)):
            through += two.take(host)
            await asyncio.sleep(0.001)
            if time.monotonic() > until:
                break
        assert through <= bound(seconds, 2, rate=rate, burst=burst)
        assert through >= rate * seconds * 0.5
        # A round every SOON_S each, and not a call more.
        assert max(one.answered for one in two.shared) <= seconds / SOON_S + 1
