"""The hub of a process: which trips have sockets here, what was delivered, and how a gap is filled."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from backend.keys import DataKey, SealBroken
from backend.realtime.bus import Bus
from backend.realtime.events import AUDIENCES, Audience, ChatEvent, Control, Envelope, Numbered, Whisper
from backend.realtime.lane import Lane, Subscriber

log = structlog.get_logger()

#: A later event may overtake an earlier one between commit and announcement; wait this long before asking PostgreSQL.
GAP_PATIENCE_S = 0.03
RECHECK_S = 5.0
CONTROL = b"tw:control"
_NUMBERS = "SELECT trip_id, seq_driver, seq_customer FROM trip_chat WHERE trip_id = ANY($1::uuid[])"

#: Reads the events of a trip that an audience has not had: (trip, audience, after) -> numbered frames in order.
FillGap = Callable[[UUID, Audience, int], Awaitable[Sequence[Numbered]]]


class Hub:
    """Delivers committed events to local sockets at once and to other processes by the bell."""

    def __init__(self, redis: Redis, sealer: DataKey, pool: Callable[[], Any]) -> None:
        self._pool = pool
        self._sealer = sealer
        self._origin = secrets.token_bytes(8)
        self._lanes: dict[UUID, dict[Audience, Lane]] = {}
        self._filling: set[tuple[UUID, Audience]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bells: dict[str, asyncio.Event] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Envelope).decode
        self._fill: FillGap | None = None
        self._on_control: list[Callable[[Control], None]] = []
        self.bus = Bus(redis, self._on_payload, self._after_silence)
        self.gaps_filled = 0

    async def start(self, fill: FillGap) -> None:
        """Start listening. `fill` reads missed events from PostgreSQL."""
        self._fill = fill
        await self.bus.start()
        for channel in (CONTROL, b"tw:staff"):
            await self.bus.subscribe(channel, timeout_s=0.2)
        self._spawn(self._recheck_forever())

    async def stop(self) -> None:
        """Stop every task of the hub."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.bus.stop()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hub.task_failed", error=repr(error))

    # -- sockets ---------------------------------------------------------------------------------------------------

    async def attach(self, trip_id: UUID, audience: Audience, subscriber: Subscriber, last: int) -> None:
        """Let a socket hear a trip. `last`: the audience's last number, read before; it only sets a new lane's start.

        The caller subscribes first and reads afterwards; what arrives in between waits in the socket.
        """
        lanes = self._lanes.setdefault(trip_id, {})
        lane = lanes.get(audience)
        if lane is None:
            lane = lanes[audience] = Lane(last, lambda: self._gap(trip_id, audience))
        lane.subscribers.add(subscriber)
        # Also when somebody else has subscribed a moment ago: they may still wait for Valkey to confirm it.
        await self.bus.subscribe(_channel(trip_id))

    async def detach(self, trip_id: UUID, audience: Audience, subscriber: Subscriber) -> None:
        """Forget a socket; the last of a trip also ends the subscription."""
        lanes = self._lanes.get(trip_id)
        lane = lanes.get(audience) if lanes else None
        if lanes is None or lane is None:
            return
        lane.subscribers.discard(subscriber)
        if not lane.subscribers:
            del lanes[audience]
        if not lanes:
            del self._lanes[trip_id]
            await self.bus.unsubscribe(_channel(trip_id))

    def caught_up(self, trip_id: UUID, audience: Audience, last: int) -> None:
        """A socket has read up to `last`: if the lane is behind, something was rung while nobody listened."""
        lane = self._lanes.get(trip_id, {}).get(audience)
        if lane is not None and lane.last < last:
            self._gap(trip_id, audience, 0.0)

    def local_trips(self) -> list[UUID]:
        """Trips that have a socket in this process."""
        return list(self._lanes)

    def sockets(self) -> int:
        """How many sockets this process serves."""
        return sum(len(lane.subscribers) for lanes in self._lanes.values() for lane in lanes.values())

    # -- telling ---------------------------------------------------------------------------------------------------

    async def publish(self, *events: ChatEvent) -> None:
        """Tell both audiences of committed events, in order. Never before their commit."""
        for event in events:
            self.announce(event)

    def announce(self, event: ChatEvent) -> None:
        """`publish` without a coroutine, for the send path."""
        self._deliver(event)
        self._send(Envelope(event=event), _channel(event.trip_id))

    def whisper(self, trip_id: UUID, audience: Audience, frame: bytes) -> None:
        """Tell an audience something that may be lost (typing, presence, receipts)."""
        whisper = Whisper(trip_id, audience, frame)
        self._deliver_whisper(whisper)
        self._send(Envelope(whisper=whisper), _channel(trip_id))

    def _send(self, envelope: Envelope, channel: bytes) -> None:
        # Numbered hold text: Valkey only ever carries them sealed, whatever it logs, dumps or lets others watch.
        # The origin stays outside, bound to the rest: what comes back to its sender is dropped without opening it.
        self.bus.publish(channel, self._origin + self._sealer.seal(self._encode(envelope), b"bus" + self._origin))

    def control(
        self, kind: str, *, trip_id: UUID | None = None, user_id: UUID | None = None, token_id: str | None = None
    ) -> None:
        """Ask every api process, this one too, to look again at somebody's access."""
        control = Control(kind, trip_id, user_id, token_id)
        self._control(control)
        self.bus.publish(CONTROL, self._origin + msgspec.json.encode(control))

    def on_control(self, listener: Callable[[Control], None]) -> None:
        """Call `listener` for each `control` of any process."""
        self._on_control.append(listener)

    def ring_staff(self, topic: str) -> None:
        """Wake whoever watches `topic` in the console; carries nothing but its name."""
        self._ring(topic)
        self.bus.publish(b"tw:staff", self._origin + topic.encode())

    async def wait_staff(self, topics: Sequence[str], timeout_s: float) -> bool:
        """Wait until one of `topics` rings, at most `timeout_s`; True when one did."""
        bells = [self._bells.setdefault(topic, asyncio.Event()) for topic in topics]
        waits = [asyncio.create_task(bell.wait()) for bell in bells]
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            for wait in waits:
                wait.cancel()

    def _ring(self, topic: str) -> None:
        bell = self._bells.get(topic)
        if bell is not None:
            bell.set()
            bell.clear()

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _on_payload(self, channel: bytes, payload: bytes) -> None:
        if channel == CONTROL:
            if payload[:8] != self._origin:
                self._control(msgspec.json.decode(payload[8:], type=Control))
            return
        if channel == b"tw:staff":
            if payload[:8] != self._origin:
                self._ring(payload[8:].decode())
            return
        origin = payload[:8]
        if origin == self._origin:
            return
        try:
            envelope = self._decode(self._sealer.open(payload[8:], b"bus" + origin))
        except (SealBroken, ValueError, msgspec.MsgspecError):
            log.warning("hub.payload_refused", channel=channel.decode("ascii", "replace"))
            return
        if envelope.event is not None:
            self._deliver(envelope.event)
        elif envelope.whisper is not None:
            self._deliver_whisper(envelope.whisper)

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
        lanes = self._lanes.get(whisper.trip_id)
        lane = lanes.get(whisper.audience) if lanes else None
        if lane is not None:
            lane.whisper(whisper.frame)

    # -- gaps ------------------------------------------------------------------------------------------------------

    def _gap(self, trip_id: UUID, audience: Audience, patience_s: float = GAP_PATIENCE_S) -> None:
        key = (trip_id, audience)
        if key not in self._filling:
            self._filling.add(key)
            self._spawn(self._fill_gap(trip_id, audience, patience_s))

    async def _fill_gap(self, trip_id: UUID, audience: Audience, patience_s: float) -> None:
        try:
            await asyncio.sleep(patience_s)
            lane = self._lanes.get(trip_id, {}).get(audience)
            if lane is None or self._fill is None or (patience_s and not lane.has_gap):
                return
            for part in await self._fill(trip_id, audience, lane.last):
                lane.take(part.seq, part.frame)
            self.gaps_filled += 1
        finally:
            self._filling.discard((trip_id, audience))

    async def _after_silence(self) -> None:
        """Nobody knows what was rung in between: forget what a bell would have ended, and compare the numbers."""
        self._control(Control("bells_missed"))
        await self._recheck()

    async def _recheck_forever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            started = time.monotonic()
            try:
                await self._recheck()
            except Exception as error:  # noqa: BLE001  (the watch must outlive a database that is away)
                log.warning("hub.recheck_failed", error=type(error).__name__, after_s=time.monotonic() - started)

    async def _recheck(self) -> None:
        """Compare every local trip with its row, in one query: pub/sub loses what is rung while nobody listens."""
        trips = self.local_trips()
        if not trips:
            return
        for row in await self._pool().fetch(_NUMBERS, trips):
            for audience, last in zip(AUDIENCES, (row["seq_driver"], row["seq_customer"]), strict=True):
                lane = self._lanes.get(row["trip_id"], {}).get(audience)
                if lane is not None and lane.last < last:
                    self._gap(row["trip_id"], audience, 0.0)


def _channel(trip_id: UUID) -> bytes:
    return b"tw:trip:" + trip_id.hex.encode()
