"""The socket byte by byte: what a broken, hostile or vanished telephone may do, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import time
from collections.abc import AsyncGenerator, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from backend.api.sockets import line as lines
from tests.factories.chat import Chat
from tests.factories.handset import BINARY, CLOSE, CONT, PING, PONG, Handset, event, packed

PINGED = event("ping")


@pytest.fixture
async def phone(chat: Chat) -> AsyncGenerator[Handset]:
    """The driver's, joined."""
    made = await Handset.join(chat)
    yield made
    made.hang_up()


async def alive(phone: Handset) -> None:
    """It answers, and nothing else came before."""
    phone.say(packed(PINGED))
    found = await phone.next()
    assert found is not None
    assert json.loads(bytes(found.data))["event"] == "pong"


@pytest.mark.parametrize("cut", [1, 5, 20])
async def test_a_frame_in_pieces_with_control_frames_between_them_is_one_frame(phone: Handset, cut: int) -> None:
    whole = PINGED.encode()
    parts = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    for number, part in enumerate(parts):
        phone.say(packed(part, CONT if number else 1, fin=number == len(parts) - 1), packed(b"between", PONG))
    phone.say(packed(b"hello", PING))
    heard = [await phone.next() for _ in range(2)]
    assert sorted(part.opcode for part in heard if part) == [Opcode.TEXT, Opcode.PONG]
    assert [bytes(part.data) for part in heard if part and part.opcode is Opcode.PONG] == [b"hello"]


async def test_bytes_that_come_one_by_one_are_read_all_the_same(phone: Handset) -> None:
    for byte in packed(PINGED):
        phone.say(bytes([byte]))
        await asyncio.sleep(0)
    await phone.hear("pong")


async def test_empty_pieces_without_number_are_no_burden(phone: Handset) -> None:
    phone.say(packed(b"", 1, fin=False), *[packed(b"", CONT, fin=False)] * 20_000, packed(PINGED, CONT))
    await phone.hear("pong", 10.0)


async def test_a_code_point_may_be_cut_by_a_piece(phone: Handset) -> None:
    words = json.dumps({"event": "message", "data": {"content": "Қайдасыз 🚕"}}, ensure_ascii=False).encode()
    cut = words.index("🚕".encode()) + 2
    phone.say(packed(words[:cut], fin=False), packed(words[cut:], CONT))
    assert (await phone.hear("new-message"))["content"] == "Қайдасыз 🚕"


async def test_binary_frames_are_read_as_text_is(phone: Handset) -> None:
    phone.say(packed(PINGED, BINARY))
    await phone.hear("pong")
    phone.say(packed(b"\xff\xfe\x00", BINARY))
    assert (await phone.hear("error"))["code"] == "invalid_frame"
    await alive(phone)


BROKEN: dict[str, tuple[int, Callable[[], bytes]]] = {
    "not masked": (1002, lambda: packed(PINGED, masked=False)),
    "opcode 3": (1002, lambda: packed(PINGED, 0x3)),
    "opcode 11": (1002, lambda: packed(b"", 0xB)),
    "reserved bit": (1002, lambda: packed(PINGED, rsv=4)),
    "ping in pieces": (1002, lambda: packed(b"x", PING, fin=False)),
    "long ping": (1002, lambda: packed(b"x" * 126, PING)),
    "piece of nothing": (1002, lambda: packed(b"x", CONT)),
    "text amid pieces": (1002, lambda: packed(b"x", fin=False) + packed(PINGED)),
    "close of one byte": (1002, lambda: packed(b"\x03", CLOSE)),
    "close with a reserved code": (1002, lambda: packed((1005).to_bytes(2, "big"), CLOSE)),
    "close with broken words": (1007, lambda: packed((1000).to_bytes(2, "big") + b"\xff", CLOSE)),
    "broken words": (1007, lambda: packed(b'{"event":"ping","data":"\xc3\x28"}')),
    "half a code point": (1007, lambda: packed("🚕".encode()[:2], fin=False) + packed(b"", CONT)),
    "too large": (1009, lambda: packed(b"x" * 70_000)),
    "too large in pieces": (1009, lambda: packed(b"x" * 40_000, fin=False) + packed(b"x" * 40_000, CONT)),
    "a size of exabytes": (1009, lambda: b"\x81\xff" + b"\x7f" + b"\xff" * 7),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_who_breaks_the_protocol_hears_why_and_is_let_go(chat: Chat, name: str) -> None:
    phone, (code, sent) = await Handset.join(chat), BROKEN[name]
    phone.say(sent(), packed(PINGED))
    assert await phone.closed_with() == code
    phone.hang_up()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=1, max_size=300))
async def test_no_bytes_harm_anybody_else(chat: Chat, phone: Handset, noise: bytes) -> None:
    loud = await Handset.dial(chat)
    loud.say(noise)
    loud.hang_up()
    await alive(phone)


async def test_who_does_not_wait_for_the_answer_to_the_upgrade_is_read(chat: Chat) -> None:
    hasty = packed(event("auth", token=chat.token("driver"))) + packed(PINGED)
    phone = await Handset.dial(chat, early=hasty)
    assert (await phone.hear("joined"))["lastSeq"] == 0
    await phone.hear("pong")
    phone.hang_up()


async def test_frames_that_come_while_joining_are_answered_in_order(chat: Chat) -> None:
    phone = await Handset.dial(chat)
    names = [f"00000000-0000-7000-8000-{number:012d}" for number in range(10)]
    lines_ = [packed(event("message", content=f"gate {name[-2:]}", clientMessageId=name)) for name in names]
    phone.say(packed(event("auth", token=chat.token("driver"))), *lines_)
    assert [(await phone.hear("ack"))["clientMessageId"] for _ in names] == names
    phone.hang_up()


async def test_a_message_and_its_ack_arrive_in_one_piece(chat: Chat, phone: Handset) -> None:
    piece = b""
    for number in range(3):
        phone.say(packed(event("message", content=f"gate {number}", clientMessageId=f"{number:032x}")))
        piece = await asyncio.wait_for(phone.reader.read(65_536), 5)
    assert b'"new-message"' in piece
    assert b'"ack"' in piece


async def test_a_close_is_answered_with_its_own_code_and_the_end(chat: Chat) -> None:
    phone, other = await Handset.join(chat), await chat.join("customer")
    phone.say(packed((3001).to_bytes(2, "big") + b"bye", CLOSE), packed(PINGED))
    assert await phone.closed_with() == 3001
    await phone.ended()
    assert (await other.hear("user-offline"))["userId"] == str(chat.driver_id)


async def test_a_client_that_never_answers_our_close_is_let_go(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CLOSE_WITHIN_S", 0.5)
    phone = await Handset.dial(chat)
    phone.say(packed(event("auth", token="nonsense")))
    assert await phone.closed_with() == 4401
    await phone.ended(2.0)


async def test_who_hangs_up_halfway_is_gone(chat: Chat) -> None:
    phone, other = await Handset.join(chat), await chat.join("customer")
    phone.writer.write_eof()
    await phone.ended()
    assert (await other.hear("user-offline"))["userId"] == str(chat.driver_id)


@pytest.mark.parametrize("what", ["nothing", "control frames", "half a frame"])
async def test_who_does_not_sign_in_is_closed(chat: Chat, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(lines, "FIRST_WITHIN_S", 0.75)
    phone = await Handset.dial(chat)
    for _ in range(4):
        if what == "control frames":
            phone.say(packed(b"", PING))
        await asyncio.sleep(0.1)
    if what == "half a frame":
        phone.say(packed(event("auth", token="x"))[:-1])
    assert (await phone.hear("error"))["code"] == "auth_timeout"
    assert await phone.closed_with() == 4408
    phone.hang_up()


async def test_a_phone_that_vanished_without_a_word_is_noticed(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FIRST_WITHIN_S", 0.5)
    monkeypatch.setattr(lines, "PING_AFTER_S", 0.5)
    monkeypatch.setattr(lines, "GONE_AFTER_S", 1.25)
    other, phone = await chat.join("customer"), await Handset.join(chat)
    assert (await other.hear("user-online"))["userId"] == str(chat.driver_id)
    began = time.monotonic()
    # Nobody reads there any more and nothing answers; the connection itself stays open.
    assert (await other.hear("user-offline", 4.0))["userId"] == str(chat.driver_id)
    assert 1.0 <= time.monotonic() - began < 2.5
    await phone.ended()
    # The other one answers pings, and has stayed.
    await other.send("ping")
    await other.hear("pong")


async def test_ten_thousand_frames_of_one_who_never_reads_cost_nobody_anything(chat: Chat, phone: Handset) -> None:
    deaf = await Handset.join(chat, "customer")
    connection: sockets.socket = deaf.writer.get_extra_info("socket")
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    flood = packed(PINGED) * 100 + packed(b"x" * 100, PING) * 100
    longest = 0.0
    for _ in range(50):
        deaf.say(flood)
        began = time.monotonic()
        phone.say(packed(PINGED))
        await phone.hear("pong")
        longest = max(longest, time.monotonic() - began)
    assert longest < 1.0
    deaf.hang_up()


async def test_who_breaks_the_protocol_and_hangs_up_at_once_harms_nobody_else(chat: Chat, phone: Handset) -> None:
    # All in one piece with the request: what is wrong, and the end. Long after that the others are still asked.
    for end in (packed(b"\x03\xe8", CLOSE), packed(b"", 0xB)):
        loud = await Handset.dial(chat, early=packed(b"\xff") + end)
        await loud.ended(lines.FIRST_WITHIN_S - 0.5)
    await alive(phone)


async def test_who_only_pings_without_a_pause_is_let_go(phone: Handset) -> None:
    phone.say(*[packed(PINGED)] * 300)
    answers = 0
    while (part := await phone.next()) is not None and part.opcode is not Opcode.CLOSE:
        answers += json.loads(bytes(part.data))["event"] == "pong"
    assert part is not None
    assert int.from_bytes(bytes(part.data)[:2], "big") == 4429
    assert 200 <= answers < 300
