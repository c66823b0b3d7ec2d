"""Ours without the peers: where there is no Node.js, a plain Python sender still tells what a message costs."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.chat import Chat, costs_of
from tests.benchmarks.cpu import MACHINE, Sampler
from tests.benchmarks.load import Counted, Run
from tests.benchmarks.roster import make_roster
from tests.benchmarks.stacks import Ground, Stack, product

SOCKETS = 200
TAIL_S = 1.0
TEXTS = ("At the north gate now", "Running 5 min late, sorry", "Black Toyota by the corner", "Be there soon")


def chat_alone(ground: Ground, why: str, *, rate: int, seconds: int) -> Chat:
    """Send by socket at `rate` and time the arrivals; `why` says what the comparison lacks."""
    runs: list[Run] = []
    for workers in (1, 2):
        with product(ground, workers=workers) as stack:
            path = make_roster(stack, SOCKETS // 2, ground.directory / f"roster-alone-{workers}.json")
            roster = json.loads(path.read_text())
            asyncio.run(_run(ground, stack, roster, 100, 2))
            runs.append(asyncio.run(_run(ground, stack, roster, rate, seconds)))
    note = f"ours alone, by a sender in Python: {why}"
    return Chat(costs=costs_of(runs, SOCKETS, rate), highest=[], cold=[], runs=runs, note=note)


async def _run(ground: Ground, stack: Stack, roster: list[dict[str, Any]], rate: int, seconds: int) -> Run:
    sent: dict[str, float] = {}
    waited: list[float] = []
    senders, listening = await _connect(stack, roster, sent, waited)
    sampler = Sampler({**stack.groups, **ground.engine_pids}, trees=tuple(ground.engine_pids))
    with sampler.running():
        begun = time.monotonic()
        await _send(senders, sent, rate, seconds)
        await asyncio.sleep(TAIL_S)
    for socket in senders:
        await socket.close()
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    used = sampler.between(begun)
    del used[MACHINE]
    used["servers"] = sum(used[name] for name in stack.groups)
    cpu = {name: round(value * 1e6 / max(1, len(waited)), 1) for name, value in used.items()}
    counted = _counted(rate * seconds, waited, cpu["servers"])
    return Run(
        stack=stack.name, send="socket", sockets=SOCKETS, rate=rate, seconds=seconds, counted=counted, cpu_us=cpu
    )


async def _connect(
    stack: Stack, roster: list[dict[str, Any]], sent: dict[str, float], waited: list[float]
) -> tuple[list[ClientConnection], list[asyncio.Task[None]]]:
    senders: list[ClientConnection] = []
    listening: list[asyncio.Task[None]] = []
    for trip in roster:
        for role in ("customer", "driver"):
            socket = await connect(
                f"{stack.base.replace('http', 'ws', 1)}/ws/trips/{trip['tripId']}/chat", compression=None
            )
            await socket.send(json.dumps({"event": "auth", "data": {"token": trip[role]["token"]}}))
            while json.loads(await socket.recv())["event"] != "joined":
                pass
            listening.append(asyncio.create_task(_listen(socket, role == "customer", sent, waited)))
        senders.append(socket)
    return senders, listening


async def _listen(socket: ClientConnection, times: bool, sent: dict[str, float], waited: list[float]) -> None:
    async for raw in socket:
        if times and '"new-message"' in str(raw[:40]):
            at = sent.pop(json.loads(raw)["data"]["client_message_id"], None)
            if at is not None:
                waited.append((time.monotonic() - at) * 1000)


async def _send(senders: list[ClientConnection], sent: dict[str, float], rate: int, seconds: int) -> None:
    begun, texts = time.monotonic(), itertools.cycle(TEXTS)
    for number in range(rate * seconds):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        client_id = str(uuid4())
        sent[client_id] = time.monotonic()
        data = {"clientMessageId": client_id, "content": next(texts), "messageType": "text"}
        await senders[number % len(senders)].send(json.dumps({"event": "message", "data": data}))


def _counted(sent: int, waited: list[float], cpu_us: float) -> Counted:
    ordered = sorted(waited) or [0.0]

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    return Counted(
        sent=sent, acked=len(waited), delivered=len(waited), errors=0,
        p50=at(0.5), p95=at(0.95), p99=at(0.99), max=at(1.0), cpu_us_per_delivered=round(cpu_us),
    )  # fmt: skip
