"""Somebody of a trip with one or two phones: says things, repeats them until they are answered, marks what arrived."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from typing import Any

import httpx
import msgspec

from tests.chaos.histories import Answer, Device, Frame, History, Imposture, Said, Try
from tests.chaos.phone import Phone
from tests.chaos.proxy import Proxy
from tests.chaos.words import speak

REPEAT_AFTER_S = 2.0
REST_WITHIN_S = 4.0
#: Codes that say: try again.
PASSING = frozenset({"rate_limited", "unavailable", "internal_error"})
#: How a message goes out, and how often out of a hundred.
MANNERS = {"socket": 64, "twice": 7, "both phones": 7, "socket and rest": 6, "rest": 8, "late": 6, "imposture": 2}
DELIVERED_SHARE, READ_SHARE, TYPING_SHARE = 0.4, 0.25, 0.3


class Outgoing(msgspec.Struct):
    """A message that waits for its answer."""

    said: Said
    manner: str
    again_at: float = 0.0
    first_at: float = 0.0
    answered: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class Person:
    """One side of a trip. Everything that is done goes into `history`."""

    def __init__(
        self, history: History, trip: str, role: str, token: str, person: str, phones: int, proxy: Proxy,
        rest: httpx.AsyncClient, began: float, seed: str,
    ) -> None:  # fmt: skip
        self._history, self._rest, self._began = history, rest, began
        self._trip, self._role, self._id, self._token = trip, role, person, token
        # What is said follows from the seed alone; what depends on who is connected when has dice of its own.
        self._rng = random.Random(f"{seed}/{trip}/{role}")
        self._dice = random.Random(f"{seed}/{trip}/{role}/dice")
        self.counts: Counter[str] = Counter()
        #: Seconds from the first try to the answer.
        self.answered_in: list[float] = []
        self.waiting: dict[str, Outgoing] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.phones: list[Phone] = []
        for number in range(1, phones + 1):
            log = Device(name=f"{trip[:8]}-{role}-{number}", trip=trip, person=person, role=role)
            history.devices.append(log)
            dice = random.Random(f"{seed}/{log.name}")
            self.phones.append(Phone(log, token, proxy, began, dice, self._hear))

    # -- talking ---------------------------------------------------------------------------------------------------

    async def talk(self, pause_s: float, until: float) -> None:
        """Say something every `pause_s` seconds or so until the clock says `until` (monotonic)."""
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / pause_s))
            if time.monotonic() >= until:
                return
            self._say()

    async def repeat(self) -> None:
        """Until cancelled: whatever has no answer goes out again."""
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            for outgoing in list(self.waiting.values()):
                if now >= outgoing.again_at:
                    outgoing.again_at = now + REPEAT_AFTER_S * self._dice.uniform(0.8, 1.4)
                    self.counts["resent"] += 1
                    self._spawn(self._try(outgoing, "rest" if outgoing.manner == "rest" else "socket"))

    async def look(self) -> None:
        """Ask for the newest page of history by REST, as an app does that was opened again."""
        try:
            answer = await self._rest.get(
                f"/api/trips/{self._trip}/messages", headers=self._headers, timeout=REST_WITHIN_S
            )
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            self.phones[0].log.pages.append(Frame(round(self._now(), 4), answer.text))

    async def stop(self) -> None:
        """Hang up."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(phone.close() for phone in self.phones))

    def _now(self) -> float:
        return time.monotonic() - self._began

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say(self) -> None:
        rng = self._rng
        kind, text, word = speak(rng)
        client_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        said = Said(client_id, self._trip, self._id, self._role, kind, text, word)
        manner = rng.choices(list(MANNERS), list(MANNERS.values()))[0]
        now = time.monotonic()
        outgoing = Outgoing(said, manner, now + REPEAT_AFTER_S, now)
        self._history.said.append(said)
        self.waiting[client_id] = outgoing
        self.counts["said"] += 1
        if manner == "both phones":
            for phone in self.phones:
                self._spawn(self._by_socket(outgoing, phone))
            if len(self.phones) == 1:
                self._spawn(self._by_rest(outgoing))
            return
        if manner in ("rest", "socket and rest"):
            self._spawn(self._by_rest(outgoing))
        if manner != "rest":
            self._spawn(self._try(outgoing, "socket"))
        if manner == "twice":
            self._spawn(self._try(outgoing, "socket"))
        elif manner == "late":
            self._spawn(self._late(outgoing, rng.uniform(0.5, 6.0)))
        elif manner == "imposture":
            self._spawn(self._impose(outgoing, speak(rng)[2]))
        if rng.random() < TYPING_SHARE:
            self._spawn(self.phones[0].put("typing", {}))

    async def _late(self, outgoing: Outgoing, after_s: float) -> None:
        """Once more, long after it was answered: a phone that was in a tunnel."""
        await asyncio.sleep(after_s)
        await self._try(outgoing, "socket")

    async def _impose(self, outgoing: Outgoing, word: str) -> None:
        """Once it is answered: other words under the same id."""
        said = outgoing.said
        await outgoing.answered.wait()
        body = {"content": f"never mind {word}", "messageType": "text", "clientMessageId": said.client_id}
        answer = await self._post(body)
        if answer is not None and (code := answer[1].get("code", "")) not in PASSING:
            self._history.impostures.append(Imposture(round(self._now(), 4), said.client_id, word, answer[0], code))

    async def _post(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        try:
            answer = await self._rest.post(
                f"/api/trips/{self._trip}/messages", json=body, headers=self._headers, timeout=REST_WITHIN_S
            )
            return answer.status_code, answer.json()
        except (httpx.HTTPError, ValueError):
            return None

    async def _try(self, outgoing: Outgoing, via: str) -> None:
        if via == "rest":
            await self._by_rest(outgoing)
            return
        joined = [phone for phone in self.phones if phone.joined]
        if joined:
            await self._by_socket(outgoing, self._dice.choice(joined))

    async def _by_socket(self, outgoing: Outgoing, phone: Phone) -> None:
        said = outgoing.said
        if not phone.joined:
            return
        self._history.tries.append(Try(round(self._now(), 4), said.client_id, phone.log.name, "socket"))
        await phone.put("message", {"content": said.text, "messageType": "text", "clientMessageId": said.client_id})

    async def _by_rest(self, outgoing: Outgoing) -> None:
        said, name = outgoing.said, self.phones[0].log.name
        self._history.tries.append(Try(round(self._now(), 4), said.client_id, name, "rest"))
        body = {"content": said.text, "messageType": "text", "clientMessageId": said.client_id}
        answer = await self._post(body)
        if answer is None:
            return
        status, told = answer
        if status in (200, 201):
            self._acknowledge(name, "rest", said.client_id, told["id"], told["seq"], told["status"])
        else:
            self._refuse(name, "rest", said.client_id, told.get("code", str(status)))

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _hear(self, phone: Phone, event: str, data: Any) -> None:
        if event == "ack":
            self._acknowledge(
                phone.log.name, "socket", data["clientMessageId"], data["id"], data["seq"], data["status"]
            )
        elif event == "error" and data.get("clientMessageId"):
            self._refuse(phone.log.name, "socket", data["clientMessageId"], data["code"])
        elif event == "joined":
            for outgoing in self.waiting.values():  # a line that has just come back takes everything at once
                outgoing.again_at = min(outgoing.again_at, time.monotonic())
        elif event in ("new-message", "message-updated") and data["sender_id"] != self._id:
            self._mark(phone, data["seq"])

    def _mark(self, phone: Phone, seq: int) -> None:
        dice = self._dice.random()
        if dice < DELIVERED_SHARE:
            self._spawn(phone.put("delivered", {"seq": seq}))
        if dice < READ_SHARE:
            self._spawn(phone.put("read", {"seq": seq}))

    def _acknowledge(self, device: str, via: str, client_id: str, id_: str, seq: int | None, status: str) -> None:
        self._history.answers.append(Answer(round(self._now(), 4), client_id, device, via, id_, seq, status))
        self._settle(client_id)

    def _refuse(self, device: str, via: str, client_id: str, code: str) -> None:
        if code in PASSING:
            self.counts[f"error {code}"] += 1
            return
        self._history.answers.append(Answer(round(self._now(), 4), client_id, device, via, code=code))
        self._settle(client_id)

    def _settle(self, client_id: str) -> None:
        outgoing = self.waiting.pop(client_id, None)
        if outgoing is not None:
            outgoing.answered.set()
            self.answered_in.append(time.monotonic() - outgoing.first_at)
