"""Send lanes: a few connections of their own, each with one task, that carry the sends of this process.

A trip always goes by the same lane, so that a process never waits for itself at a trip's row, and sends keep their
order. A lane takes what waits: one message is one statement, several are one transaction with one commit. Whatever
goes wrong with several is tried again one by one, and a trip whose row somebody else keeps leaves the lane and waits
aside. Connection gone: what was under way may have been committed or not, so it is tried again under its own id, by
which the database knows it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from backend.errors import ProblemError
from backend.messages.sending import SEND, Sent, access_own_try

log = structlog.get_logger("lanes")

#: Messages of one transaction. Each keeps its trip locked until the commit, so it must stay a matter of milliseconds.
BATCH = 32
#: Messages that may wait in one lane, some 4 KiB each.
WAITING = 2_000
#: A message that the database did not take for so long is given back as `unavailable`.
PATIENCE_S = 5.0
#: Wait before a lane connects again, and before a trip aside is tried again: doubled each time up to the last.
RETRY_S = (0.05, 0.1, 0.2, 0.4, 0.8)
#: How long a statement may take with everything around it, before its connection counts as gone.
ANSWER_WITHIN_S = 12.0

#: How a connection ends. What was under way on it may have been committed or not.
_LOST = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError,
         asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.CannotConnectNowError)  # fmt: skip
#: Rolled back for the sake of others: worth another try.
_ROLLED_BACK = (asyncpg.LockNotAvailableError, asyncpg.TransactionRollbackError, asyncpg.TooManyConnectionsError,
                asyncpg.InvalidCachedStatementError)  # fmt: skip

#: Hears how a send ended, once, on the loop.
Ended = Callable[[Sent | BaseException], None]


class Job:
    """One send on its way. `slow` replaces the bare send by something that needs more than one statement."""

    __slots__ = ("alone", "ended", "message_id", "slow", "tried", "trip_id", "until", "values")

    def __init__(
        self, message_id: UUID, values: tuple[Any, ...], ended: Ended, slow: Callable[[], Awaitable[Sent]] | None = None
    ) -> None:
        self.trip_id: UUID = values[0]
        self.message_id, self.values, self.ended, self.slow = message_id, values, ended, slow
        self.until = time.monotonic() + PATIENCE_S
        #: Whether an earlier try may have been committed unheard.
        self.tried = False
        #: Whether it failed among others.
        self.alone = False


class SendLanes:
    """All lanes of a process. They connect with the first message: a process that sends nothing keeps no connection."""

    def __init__(
        self, connect: Callable[[], Awaitable[Any]], pool: Callable[[], Any], *, lanes: int, gather_s: float
    ) -> None:
        self._lanes = [Lane(connect, pool, gather_s) for _ in range(lanes)]

    def submit(self, job: Job) -> None:
        """Send `job`; `job.ended` hears of it. Never waits. Raises `unavailable` when too many are waiting."""
        self._lanes[job.trip_id.int % len(self._lanes)].submit(job)

    @property
    def batches(self) -> Counter[int]:
        """Commits of all lanes by how many messages they held, since this process started."""
        return sum((lane.batches for lane in self._lanes), Counter[int]())

    async def stop(self, within_s: float = PATIENCE_S) -> None:
        """Send what waits, then let the connections go. What is left after `within_s` hears `unavailable`."""
        await asyncio.gather(*(lane.stop(within_s) for lane in self._lanes))


class Lane:
    """One connection and the task that uses it; trips that cannot wait in line are served aside, by the pool."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], pool: Callable[[], Any], gather_s: float) -> None:
        self._connect, self._pool, self._gather_s = connect, pool, gather_s
        self._next_at = 0.0
        self._waiting: deque[Job] = deque()
        self._aside: dict[UUID, deque[Job]] = {}
        self._unfinished: set[Job] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs = False
        self._closing = False
        self._wake: asyncio.Future[None] | None = None
        self._empty: asyncio.Future[None] | None = None
        self._line: Any = None
        self._statement: Any = None
        self._failures = 0
        self.batches: Counter[int] = Counter()

    def submit(self, job: Job) -> None:
        """Take `job`. Raises `unavailable` when too many are waiting, or when the lane is being closed."""
        if self._closing or len(self._unfinished) >= WAITING:
            raise ProblemError("unavailable", "Too many messages wait to be stored; try again.", retry_after_s=1.0)
        self._unfinished.add(job)
        self._waiting.append(job)
        if self._wake is not None:
            self._wake.set_result(None)
            self._wake = None
        elif not self._runs:
            self._runs = True
            self._spawn(self._run())

    async def stop(self, within_s: float) -> None:
        """Finish what is here, then end."""
        self._closing = True
        if self._unfinished:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=within_s)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in list(self._unfinished):
            self._end(job, ProblemError("unavailable", retry_after_s=1.0))
        self._hang_up()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- in line ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
            try:
                if self._line is None or self._line.is_closed():
                    await self._dial()
                if self._gather_s:
                    await self._gather()
                batch = self._take()
                if batch:
                    await self._send(batch)
            except Exception as error:  # noqa: BLE001  (whatever it is, a process whose lane ended would be mute)
                log.warning("lane.interrupted", error=type(error).__name__, waiting=len(self._waiting))
                self._hang_up()
                self._give_back_old()
                await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S) - 1)])
                self._failures += 1

    async def _dial(self) -> None:
        self._hang_up()
        self._line = await self._connect()
        self._statement = await self._line.prepare(SEND)
        self._failures = 0

    def _hang_up(self) -> None:
        line, self._line, self._statement = self._line, None, None
        if line is not None:
            line.terminate()

    def _give_back_old(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0].until < now:
            self._end(self._waiting.popleft(), ProblemError("unavailable", retry_after_s=1.0))

    async def _gather(self) -> None:
        """Let commits be so far apart that under load several messages share one; who comes alone does not wait."""
        now = time.monotonic()
        if now < self._next_at and len(self._waiting) < BATCH:
            await asyncio.sleep(self._next_at - now)
            now = time.monotonic()
        self._next_at = now + self._gather_s

    def _take(self) -> list[Job]:
        """What goes out together, in the order of trips, so that two processes never wait for each other in a ring."""
        batch: list[Job] = []
        waiting, aside = self._waiting, self._aside
        while waiting and len(batch) < BATCH:
            job = waiting[0]
            if batch and (job.alone or (job.slow is not None and any(job.trip_id == one.trip_id for one in batch))):
                break
            waiting.popleft()
            if job.slow is not None or job.trip_id in aside:
                self._set_aside(job)
                continue
            batch.append(job)
            if job.alone:
                break
        if len(batch) > 1:
            batch.sort(key=_trip_of)
        return batch

    async def _send(self, batch: list[Job]) -> None:
        try:
            if len(batch) == 1:
                rows = [await self._statement.fetchrow(*batch[0].values, timeout=ANSWER_WITHIN_S)]
            else:
                rows = await self._statement.fetchmany([job.values for job in batch], timeout=ANSWER_WITHIN_S)
            # In here as well: an answer that nobody understands must not leave its senders without any.
            ended = [(job, Sent(*row)) for job, row in zip(batch, rows, strict=True)]
        except Exception as error:  # noqa: BLE001  (sorted out by kind: nothing here may stop the lane)
            self._failed(batch, error)
            return
        self.batches[len(batch)] += 1
        for job, answer in ended:
            sent = _as_first(job, answer)
            if job.tried and sent.code != "ok":
                self._set_aside(job)
            else:
                self._end(job, sent)

    def _failed(self, batch: list[Job], error: Exception) -> None:
        lost = isinstance(error, _LOST) or self._line.is_closed()
        if lost:
            log.warning("lane.lost", error=type(error).__name__, messages=len(batch))
            self._hang_up()
        elif len(batch) == 1:
            job = batch[0]
            if isinstance(error, (*_ROLLED_BACK, asyncpg.UniqueViolationError)):
                self._set_aside(job)
            else:
                self._end(job, error)
            return
        for job in batch:
            job.alone, job.tried = True, job.tried or lost
        self._waiting.extendleft(reversed(batch))
        if lost:
            self._give_back_old()

    def _end(self, job: Job, result: Sent | BaseException) -> None:
        self._unfinished.discard(job)
        if self._empty is not None and not self._unfinished and not self._empty.done():
            self._empty.set_result(None)
        try:
            job.ended(result)
        except Exception as error:
            # One message's listener must not stop those behind it.
            log.error("lane.listener_failed", error=type(error).__name__, exc_info=error)

    # -- aside -----------------------------------------------------------------------------------------------------

    def _set_aside(self, job: Job) -> None:
        queue = self._aside.get(job.trip_id)
        if queue is not None:
            queue.append(job)
        else:
            self._aside[job.trip_id] = deque([job])
            self._spawn(self._serve_aside(job.trip_id))

    async def _serve_aside(self, trip_id: UUID) -> None:
        """One trip, one message at a time, until nothing waits; then it may go by the lane again."""
        queue = self._aside[trip_id]
        while queue:
            self._end(queue[0], await self._patiently(queue[0]))
            queue.popleft()
        del self._aside[trip_id]

    async def _patiently(self, job: Job) -> Sent | BaseException:
        """Try until it is stored, refused, or out of time."""
        for attempt in range(10_000):
            try:
                return await self._once(job)
            except Exception as raised:  # noqa: BLE001  (what it was decides what comes next)
                error = _of_driver(raised)
                lost = isinstance(error, _LOST)
                job.tried = job.tried or lost
                wait = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                if not (lost or isinstance(error, _ROLLED_BACK)) or time.monotonic() + wait > job.until:
                    return raised
            await asyncio.sleep(wait)
        return ProblemError("unavailable", retry_after_s=1.0)

    async def _once(self, job: Job) -> Sent:
        pool = self._pool()
        try:
            sent = await job.slow() if job.slow is not None else Sent(*await pool.fetchrow(SEND, *job.values))
        except Exception as raised:
            # Its own id is taken: an earlier try was stored, and nobody had heard of it.
            own = isinstance(_of_driver(raised), asyncpg.UniqueViolationError)
            stored = await access_own_try(pool, job.values[0], job.message_id) if own else None
            if stored is None:
                raise
            return stored
        sent = _as_first(job, sent)
        if job.tried and sent.code != "ok":
            return await access_own_try(pool, job.values[0], job.message_id) or sent
        return sent


def _trip_of(job: Job) -> int:
    return job.trip_id.int


def _as_first(job: Job, sent: Sent) -> Sent:
    """What was found under the same `clientMessageId` is this very message, from a try that nobody had heard of."""
    return sent._replace(code="ok", earlier_id=None) if sent.earlier_id == job.message_id else sent


def _of_driver(error: BaseException) -> BaseException:
    """The error of asyncpg inside of one of SQLAlchemy's."""
    inner = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else None
    return inner or error
