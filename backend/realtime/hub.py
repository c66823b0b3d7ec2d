"""The hub of a process: which trips have sockets here, what was delivered, and who else has to be told.

How a committed event reaches a socket of another process P, and why it always does:

1. P tells the others that it listens to the trip (`neighbours.py`) and then reads what was missed. Whoever announces an
   event looks up who listens, and rings just those: nobody hears himself, and a trip whose sockets are all in the
   process that takes its messages costs nothing on Valkey.
2. Who announces an event before it learns of P's interest still knows the trip's last numbers (`recent.py`) when it
   does, and tells P those: P compares, and reads what it lacks. That also covers a process that has just started and is
   not known yet, a neighbour wrongly forgotten, and bells lost with a broken line (told again when it is back).
3. Whatever else goes wrong, each lane proves its numbers contiguous, and every `RECHECK_S` (`ALONE_S` while Valkey is
   away, at once after it is back or after this process was frozen) one query compares all local trips with their rows.

Receipts have no numbers of their own. A lane never tells one that goes back; one that a socket could not take is told
again; and where bells may have been lost, those of that time are read again (`marks.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from backend.keys import DataKey, SealBroken
from backend.realtime.bus import Bus
from backend.realtime.events import AUDIENCES, Audience, ChatEvent, Control, Whisper
from backend.realtime.gaps import FillGap, Gaps
from backend.realtime.lane import Lane, Mark, Subscriber
from backend.realtime.letters import Ask, Back, Bye, Interests, Letter, Post, Reached, Ring
from backend.realtime.marks import LostMarks, ReadMarks
from backend.realtime.neighbours import FORGET_S, Neighbours
from backend.realtime.recent import Recent
from backend.realtime.recheck import Recheck
from backend.realtime.staff import StaffBells, topic_of

log = structlog.get_logger()

RECHECK_S = 5.0
ALONE_S = 1.0
#: A process that listens to anything says so this often.
BEAT_S = 2.0


class Hub:
    """Delivers committed events to local sockets at once and to other processes by the bell."""

    def __init__(self, redis: Redis, sealer: DataKey, pool: Callable[[], Any]) -> None:
        self._lanes: dict[UUID, dict[Audience, Lane]] = {}
        self._post = Post(sealer)
        self._neighbours = Neighbours(self._tell)
        self._recent = Recent()
        self._gaps = Gaps(self._lane_of)
        self._recheck = Recheck(pool, self._lanes, self._gaps)
        self._marks = LostMarks(self._recheck.chunks, self._deliver_whisper)
        self._staff = StaffBells()
        self._on_control: list[Callable[[Control], None]] = []
        self._saying = False
        self._tasks: list[asyncio.Task[None]] = []
        channels = (self._post.everybody, self._post.channel_of(self._post.me))
        self.bus = Bus(redis, channels, self._on_payload, self._on_subscribed)

    async def start(self, fill: FillGap, read_marks: ReadMarks | None = None) -> None:
        """Start listening. `fill` reads missed events from PostgreSQL, `read_marks` receipts."""
        self._gaps.start(fill)
        self._marks.start(read_marks)
        await self.bus.start()
        self._tasks = [
            asyncio.create_task(self._beat_forever(), name="hub-beat"),
            asyncio.create_task(self._recheck_forever(), name="hub-recheck"),
        ]

    async def stop(self) -> None:
        """Stop every task of the hub; the others hear that we are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._gaps.stop()
        self._marks.stop()
        self._neighbours.bye()
        await self.bus.stop()

    # -- sockets ---------------------------------------------------------------------------------------------------

    async def attach(self, trip_id: UUID, audience: Audience, subscriber: Subscriber, last: int) -> None:
        """Let a socket hear a trip. `last`: the audience's last number, read before; it only sets a new lane's start.

        The caller attaches first and reads afterwards; what arrives in between waits in the socket. Nobody waits for
        the other processes to know: who announces before they do tells us the numbers as soon as they do.
        """
        lanes = self._lanes.get(trip_id)
        if lanes is None:
            lanes = self._lanes[trip_id] = {}
            self._want(trip_id.int)
        lane = lanes.get(audience)
        if lane is None:
            lane = lanes[audience] = Lane(last, lambda: self._gaps.ask(trip_id, audience))
        lane.subscribers.add(subscriber)

    async def detach(self, trip_id: UUID, audience: Audience, subscriber: Subscriber) -> None:
        """Forget a socket; the last of a trip also ends our interest in it."""
        lanes = self._lanes.get(trip_id)
        lane = lanes.get(audience) if lanes else None
        if lanes is None or lane is None:
            return
        lane.subscribers.discard(subscriber)
        if not lane.subscribers:
            del lanes[audience]
        if not lanes:
            del self._lanes[trip_id]
            self._neighbours.leave(trip_id.int)

    def caught_up(self, trip_id: UUID, audience: Audience, last: int) -> None:
        """A socket has read up to `last`: if the lane is behind, something was rung while nobody listened."""
        lane = self._lane_of(trip_id, audience)
        if lane is not None and lane.last < last:
            lane.expect(last)
            self._gaps.ask(trip_id, audience, 0.0)

    def local_trips(self) -> list[UUID]:
        """Trips that have a socket in this process."""
        return list(self._lanes)

    def sockets(self) -> int:
        """How many sockets this process serves."""
        return sum(len(lane.subscribers) for lanes in self._lanes.values() for lane in lanes.values())

    @property
    def gaps_filled(self) -> int:
        """How often a lane was filled from PostgreSQL."""
        return self._gaps.filled

    @property
    def neighbours(self) -> int:
        """How many other processes are known to listen to anything."""
        return self._neighbours.count

    def _lane_of(self, trip_id: UUID, audience: Audience) -> Lane | None:
        lanes = self._lanes.get(trip_id)
        return lanes.get(audience) if lanes is not None else None

    # -- telling ---------------------------------------------------------------------------------------------------

    async def publish(self, *events: ChatEvent) -> None:
        """Tell both audiences of committed events, in order. Never before their commit."""
        for event in events:
            self.announce(event)

    def announce(self, event: ChatEvent) -> None:
        """`publish` without a coroutine, for the send path."""
        self._deliver(event)
        self._recent.note(event)
        self._tell_listeners(event.trip_id.int, event)

    def whisper(self, trip_id: UUID, audience: Audience, frame: bytes, mark: Mark | None = None) -> None:
        """Tell an audience something that may be lost: typing, presence; receipts with their `mark` (see `Whisper`)."""
        whisper = Whisper(trip_id, audience, frame, mark)
        self._deliver_whisper(whisper)
        self._tell_listeners(trip_id.int, whisper)

    def control(
        self, kind: str, *, trip_id: UUID | None = None, user_id: UUID | None = None, token_id: str | None = None
    ) -> None:
        """Ask every process, this one too, to look again at somebody's access."""
        control = Control(kind, trip_id, user_id, token_id)
        self._control(control)
        # To all, known or not: access that was taken away is not a matter of who is known to listen.
        self._tell(None, control)

    def on_control(self, listener: Callable[[Control], None]) -> None:
        """Call `listener` for each `control` of any process."""
        self._on_control.append(listener)

    def ring_staff(self, topic: str) -> None:
        """Wake whoever watches `topic` in the console; carries nothing but its name."""
        self._staff.ring(topic)
        self._tell_listeners(topic_of(topic), Ring(topic))

    async def wait_staff(self, topics: Sequence[str], timeout_s: float) -> bool:
        """Wait until one of `topics` rings, at most `timeout_s`; True when one did."""
        for topic in topics:
            self._want(topic_of(topic))
        return await self._staff.wait(topics, timeout_s)

    def _tell_listeners(self, topic: int, letter: Letter) -> None:
        listeners = self._neighbours.listeners(topic)
        if listeners:
            # Sealed once for all of them.
            self.bus.ring(map(self._post.channel_of, listeners), self._post.seal(letter))

    def _tell(self, process: bytes | None, letter: Letter) -> None:
        channel = self._post.everybody if process is None else self._post.channel_of(process)
        self.bus.ring((channel,), self._post.seal(letter))

    def _want(self, topic: int) -> None:
        if self._neighbours.want(topic) and not self._saying:
            self._saying = True
            asyncio.get_running_loop().call_soon(self._say)

    def _say(self) -> None:
        self._saying = False
        self._neighbours.say()

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _on_payload(self, channel: bytes, payload: bytes) -> None:
        writer = self._post.writer(payload)
        if writer == self._post.me:
            return
        try:
            letter = self._post.open(payload)
        except (SealBroken, ValueError, msgspec.MsgspecError):
            log.warning("hub.payload_refused", channel=channel.decode("ascii", "replace"))
            return
        self._take(writer, letter)

    def _take(self, writer: bytes, letter: Letter) -> None:
        match letter:
            case ChatEvent():
                self._deliver(letter)
            case Whisper():
                self._deliver_whisper(letter)
            case Control():
                self._control(letter)
            case Ring():
                self._staff.ring(letter.topic)
            case Reached():
                self._compare(letter)
            case Back():
                self._marks.look_back(letter.away_s)
            case Interests() | Ask() | Bye():
                now = asyncio.get_running_loop().time()
                added = self._neighbours.hear(writer, letter, now)
                if added and (reached := self._recent.of(added)):
                    self._tell(writer, Reached(reached))

    def _control(self, control: Control) -> None:
        for listener in self._on_control:
            listener(control)

    def _deliver(self, event: ChatEvent) -> None:
        lanes = self._lanes.get(event.trip_id)
        if lanes is None:
            return
        for audience in AUDIENCES:
            lane, part = lanes.get(audience), event.part_for(audience)
            if lane is not None and part is not None:
                lane.take(part.seq, part.frame)

    def _deliver_whisper(self, whisper: Whisper) -> None:
        lane = self._lane_of(whisper.trip_id, whisper.audience)
        if lane is not None:
            lane.whisper(whisper.frame, whisper.mark)

    def _compare(self, reached: Reached) -> None:
        """Somebody announced these before they knew that we listen."""
        for topic, driver, customer in reached.numbers:
            trip_id = UUID(bytes=topic)
            self.caught_up(trip_id, "driver", driver)
            self.caught_up(trip_id, "customer", customer)

    # -- watching --------------------------------------------------------------------------------------------------

    async def _on_subscribed(self) -> None:
        """Nobody knows what was rung in between: say what we may not have got out, and look at everything again."""
        self._neighbours.subscribed()
        for process, topics in self._neighbours.among(self._recent.topics()).items():
            self._tell(process, Reached(self._recent.of(topics)))
        if self._neighbours.count:
            self._tell(None, Back(self.bus.away_s))
        await self._look_again(self.bus.away_s)

    async def _look_again(self, away_s: float) -> None:
        """Forget what a bell would have ended, and compare numbers and receipts."""
        self._control(Control("bells_missed"))
        self._marks.look_back(away_s)
        await self._recheck.look()

    async def _beat_forever(self) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            await asyncio.sleep(BEAT_S)
            slept, at = loop.time() - at, loop.time()
            if slept > FORGET_S:
                self._neighbours.thawed(at)
            self._recent.turn()
            self._neighbours.beat(at)
            if slept > FORGET_S:
                # We were frozen, and the others have forgotten us: what they announced meanwhile was not rung here.
                log.warning("hub.was_frozen", seconds=round(slept, 1))
                await self._try(self._look_again(slept))

    async def _recheck_forever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S if self.bus.connected else ALONE_S)
            if self._lanes:
                await self._try(self._look())

    async def _look(self) -> None:
        behind = await self._recheck.look()
        if behind:
            # Who missed an event may have missed receipts as well.
            self._marks.look_back(RECHECK_S)

    async def _try(self, look: Coroutine[Any, Any, None]) -> None:
        started = time.monotonic()
        try:
            await look
        except Exception as error:  # noqa: BLE001  (the watch must outlive a database that is away)
            log.warning("hub.recheck_failed", error=type(error).__name__, after_s=time.monotonic() - started)
