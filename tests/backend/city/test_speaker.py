"""The client of the city against a socket that behaves badly in scripted ways."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from backend.city import speaker as speaker_module
from backend.city.figures import Figures
from backend.city.ledger import Ledger
from backend.city.speaker import Seat, Speaker

Script = Callable[[ServerConnection, dict[str, Any], int], Awaitable[None]]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_module, "BACKOFF_S", (0.02, 0.05))
    monkeypatch.setattr(speaker_module, "REPEAT_AFTER_S", 0.3)


async def put(socket: ServerConnection, event: str, data: object) -> None:
    await socket.send(json.dumps({"event": event, "data": data}))


@asynccontextmanager
async def conversation(script: Script) -> AsyncGenerator[tuple[Speaker, Figures, Ledger, list[dict[str, Any]]]]:
    """A speaker connected to a server that runs `script(socket, frame, connection number)` on each frame."""
    heard: list[dict[str, Any]] = []
    connections = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        number = connections
        async for raw in socket:
            frame = json.loads(raw)
            heard.append({**frame, "connection": number})
            if frame["event"] == "auth":
                await put(socket, "joined", {"epoch": "e1", "lastSeq": 0, "participants": []})
                if "since" not in frame["data"]:
                    await put(socket, "messages-history", [])
            await script(socket, frame, number)

    async with serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        figures = Figures()
        ledger = Ledger(figures)
        seat = Seat(f"ws://127.0.0.1:{port}/", lambda: "token", "me", read_after_s=0.01)
        person = Speaker(seat, ledger, figures, random.Random(1))
        running = asyncio.create_task(person.run())
        try:
            yield person, figures, ledger, heard
        finally:
            await person.close()
            await asyncio.wait_for(running, 5)


async def answer(socket: ServerConnection, frame: dict[str, Any], seq: int = 1) -> None:
    await put(
        socket,
        "ack",
        {"clientMessageId": frame["data"]["clientMessageId"], "id": "m1", "seq": seq, "status": "delivered"},
    )


async def test_a_message_is_repeated_with_the_same_id_until_it_is_acknowledged() -> None:
    tries = 0

    async def deaf_at_first(socket: ServerConnection, frame: dict[str, Any], _: int) -> None:
        nonlocal tries
        if frame["event"] == "message":
            tries += 1
            if tries > 1:
                await answer(socket, frame)

    async with conversation(deaf_at_first) as (person, figures, _, heard):
        assert await asyncio.wait_for(person.say("hi", "en"), 10) == "delivered"
    ids = [f["data"]["clientMessageId"] for f in heard if f["event"] == "message"]
    assert len(ids) >= 2
    assert len(set(ids)) == 1
    assert figures.total("sent") == figures.total("acked") == 1
    assert figures.repeats >= 1


async def test_after_a_drop_it_comes_back_with_its_cursor_and_offers_the_message_again() -> None:
    async def drop_once(socket: ServerConnection, frame: dict[str, Any], connection: int) -> None:
        if frame["event"] == "auth" and connection == 1:
            await put(
                socket,
                "new-message",
                {"id": "p1", "seq": 4, "sender_id": "peer", "sender_type": "driver", "content": "hey"},
            )
        if frame["event"] == "message":
            if connection == 1:
                await socket.close(1012)
            else:
                await answer(socket, frame, 5)

    async with conversation(drop_once) as (person, figures, _, heard):
        assert await asyncio.wait_for(person.say("hi", "en"), 10) == "delivered"
    auths = [f["data"] for f in heard if f["event"] == "auth"]
    assert auths[0] == {"token": "token"}
    assert auths[1] == {"token": "token", "epoch": "e1", "since": 4}
    assert figures.reconnects == 1


async def test_what_the_peer_says_is_marked_delivered_and_read() -> None:
    async def speak(socket: ServerConnection, frame: dict[str, Any], _: int) -> None:
        if frame["event"] == "auth":
            await put(
                socket,
                "new-message",
                {"id": "p1", "seq": 1, "sender_id": "peer", "sender_type": "driver", "content": "hey"},
            )

    async with conversation(speak) as (_, _, _, heard):
        for _ in range(100):
            await asyncio.sleep(0.02)
            if any(f["event"] == "read" for f in heard):
                break
    marks = [(f["event"], f["data"]) for f in heard if f["event"] != "auth"]
    assert marks == [("delivered", {"seq": 1}), ("read", {"seq": 1})]


async def test_a_refusal_is_counted_and_not_tried_again() -> None:
    async def refuse(socket: ServerConnection, frame: dict[str, Any], _: int) -> None:
        if frame["event"] == "message":
            wrong = {"code": "message_rejected", "message": "no", "clientMessageId": frame["data"]["clientMessageId"]}
            await put(socket, "error", wrong)

    async with conversation(refuse) as (person, figures, _, heard):
        assert await asyncio.wait_for(person.say("spam", "en"), 10) == "rejected"
    assert sum(f["event"] == "message" for f in heard) == 1
    assert figures.total("rejected") == 1
    assert figures.total("acked") == 0


async def test_a_limit_is_waited_out() -> None:
    refused = False

    async def limit_once(socket: ServerConnection, frame: dict[str, Any], _: int) -> None:
        nonlocal refused
        if frame["event"] == "message":
            if refused:
                await answer(socket, frame)
                return
            refused = True
            wrong = {"code": "rate_limited", "message": "wait", "clientMessageId": frame["data"]["clientMessageId"]}
            await put(socket, "error", wrong)

    async with conversation(limit_once) as (person, figures, _, _):
        assert await asyncio.wait_for(person.say("hi", "en"), 10) == "delivered"
    assert figures.errors["rate_limited"] == 1


async def test_a_suspended_person_stops_trying() -> None:
    async def suspend(socket: ServerConnection, frame: dict[str, Any], _: int) -> None:
        if frame["event"] == "message":
            await put(socket, "error", {"code": "suspended", "message": "no"})

    async with conversation(suspend) as (person, _, _, _):
        assert await asyncio.wait_for(person.say("hi", "en"), 10) == "gone"
        assert await person.say("hello?", "en") == "gone"


async def test_a_frame_that_is_no_json_is_counted_and_survived() -> None:
    async def babble(socket: ServerConnection, frame: dict[str, Any], _: int) -> None:
        if frame["event"] == "message":
            await socket.send("{")
            await answer(socket, frame)

    async with conversation(babble) as (person, figures, _, _):
        assert await asyncio.wait_for(person.say("hi", "en"), 10) == "delivered"
    assert figures.errors["unreadable_frame"] == 1


def test_an_arrival_that_is_noticed_before_its_acknowledgement_counts_once() -> None:
    figures = Figures()
    ledger = Ledger(figures)
    ledger.offer("c1", "kk")
    ledger.arrive("m1", None)
    assert figures.total("delivered") == 0
    ledger.acknowledge("c1", "m1", "delivered")
    ledger.arrive("m1", "c1")
    report = figures.report(1.0)
    assert report.by_language["kk"]["delivered"] == report.delivery_ms.count == 1


def test_a_withheld_message_that_a_person_lets_through_is_delivered_but_not_timed() -> None:
    figures = Figures()
    ledger = Ledger(figures)
    ledger.offer("c1", "en")
    ledger.acknowledge("c1", "m1", "quarantined")
    assert figures.total("delivered") == 0
    ledger.arrive("m1", None)
    report = figures.report(1.0)
    assert (report.withheld, report.delivered, report.released, report.delivery_ms.count) == (1, 1, 1, 0)


def test_percentiles_of_known_times_are_exact() -> None:
    figures = Figures()
    for milliseconds in range(1, 1001):
        figures.took(milliseconds / 1000)
    times = figures.report(1.0).delivery_ms
    assert (times.count, times.p50, times.p95, times.p99) == (1000, 501.0, 951.0, 991.0)
    assert Figures().report(1.0).delivery_ms.p99 is None
