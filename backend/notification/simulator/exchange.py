"""The telephone exchange: what was sent and called, whose phones there are, what each of them heard."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backend.clock import rfc3339
from backend.notification.simulator.callbacks import CallbackRule, Webhooks
from backend.notification.simulator.faults import FaultList
from backend.notification.simulator.fcm import Firebase, FirebaseConfig
from backend.notification.simulator.people import COMPANY_NUMBER, DEFAULT_PEOPLE, Person, stranger
from backend.notification.simulator.resources import CALL_OVER, Call, Message

#: What is remembered: a demonstration runs for days, its exchange has to stay small.
KEPT_RESOURCES = 2_000
KEPT_PHONE_EVENTS = 200


@dataclass(frozen=True, kw_only=True)
class SimulatorConfig:
    """Credentials, numbers and pace. `speed` divides every simulated second; `sms_url` is our inbound webhook."""

    account_sid: str = "AC" + "5" * 32
    auth_token: str = "simulated-auth-token"  # noqa: S105 - it opens nothing but this simulator
    own_numbers: frozenset[str] = frozenset({COMPANY_NUMBER})
    sms_url: str = ""
    speed: float = 1.0
    seed: int = 7
    calls_per_s: float = 1.0
    people: tuple[Person, ...] = field(default=DEFAULT_PEOPLE)
    #: The Firebase project beside the telephones; None: there is none.
    firebase: FirebaseConfig | None = None


def new_sid(prefix: str) -> str:
    """`SM` or `CA` and 32 hex digits."""
    return prefix + secrets.token_hex(16)


class Exchange:
    """State and the tasks that live in it. One event loop, no locks: every change happens between two awaits."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.sms_url = config.sms_url
        self.webhooks = Webhooks(config.auth_token)
        self.faults = FaultList()
        self.firebase = Firebase(config.firebase) if config.firebase is not None else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._bucket = asyncio.Lock()
        self.reset()

    def reset(self) -> None:
        """Back to the beginning: the configured people, no faults, nothing heard; running calls end."""
        for task in self._tasks:
            task.cancel()
        self.random = random.Random(self.config.seed)  # noqa: S311 - timings that repeat, no secret
        self.speed = self.config.speed
        self.people = {person.phone: person for person in self.config.people}
        self.messages: dict[str, Message] = {}
        self.calls: dict[str, Call] = {}
        self.heard: dict[str, deque[dict[str, str]]] = {}
        self.faults.clear()
        if self.firebase is not None:
            self.firebase.reset()
        self.webhooks.rule = CallbackRule()
        self._next_call_at = 0.0

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()

    def start(self, life: Coroutine[Any, Any, None]) -> None:
        """Let a call or message live on its own."""
        task = asyncio.get_running_loop().create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def keep_message(self, message: Message) -> None:
        self.messages[message.sid] = message
        _trim(self.messages)

    def keep_call(self, call: Call) -> None:
        self.calls[call.sid] = call
        _trim(self.calls)

    def person(self, phone: str) -> Person:
        return self.people.get(phone) or stranger(phone)

    def note(self, phone: str, kind: str, text: str) -> None:
        """Write down what a phone saw or heard."""
        events = self.heard.setdefault(phone, deque(maxlen=KEPT_PHONE_EVENTS))
        events.append({"at": rfc3339(datetime.now(UTC)), "kind": kind, "text": text})

    def phones(self) -> list[dict[str, Any]]:
        """`[{phone, name, events: [{at, kind, text}]}]`, scripted phones first."""
        numbers: Iterable[str] = dict.fromkeys([*self.people, *self.heard])
        return [
            {"phone": number, "name": self.person(number).name, "events": list(self.heard.get(number, ()))}
            for number in numbers
        ]

    async def pause(self, seconds: float) -> None:
        """Wait simulated seconds."""
        await asyncio.sleep(seconds / self.speed)

    async def pause_in_call(self, call: Call, seconds: float) -> bool:
        """Wait simulated seconds of a call; True when it ended before they were over."""
        try:
            await asyncio.wait_for(call.over.wait(), seconds / self.speed)
        except TimeoutError:
            return False
        return True

    async def take_call_slot(self) -> None:
        """Twilio starts calls of an account one a second and queues the rest."""
        async with self._bucket:
            loop = asyncio.get_running_loop()
            if (wait := self._next_call_at - loop.time()) > 0:
                await asyncio.sleep(wait)
            self._next_call_at = loop.time() + 1 / (self.config.calls_per_s * self.speed)

    def is_engaged(self, phone: str, but: Call) -> bool:
        """Whether the phone rings or talks in another call."""
        return any(
            other.to == phone and other is not but and other.status not in CALL_OVER | {"queued", "initiated"}
            for other in self.calls.values()
        )


def _trim(kept: dict[str, Any]) -> None:
    while len(kept) > KEPT_RESOURCES:
        kept.pop(next(iter(kept)))
