"""A client that never finishes its request is given up: by bytes and by time."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest

from backend.api import protocol


async def dial(api_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare line to the api."""
    return await asyncio.open_connection("127.0.0.1", int(api_url.rsplit(":", 1)[1]))


async def given_up(reader: asyncio.StreamReader) -> None:
    """The other end has closed; TimeoutError when it goes on waiting."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            await reader.read()


@pytest.mark.parametrize("part", [b"x-a: 1\r\n", b"y"])
async def test_headers_without_an_end_are_refused(api_url: str, client: httpx.AsyncClient, part: bytes) -> None:
    reader, writer = await dial(api_url)
    writer.write(b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-long: ")
    for _ in range(100):
        writer.write(part * (1024 // len(part)))
        try:
            await writer.drain()
        except ConnectionError:
            break
        await asyncio.sleep(0)
    await given_up(reader)
    assert (await client.get("/health/live")).status_code == 200
    writer.close()


async def test_headers_that_are_too_large_are_refused_in_one_piece_too(api_url: str) -> None:
    reader, writer = await dial(api_url)
    writer.write(b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-long: " + b"y" * protocol.MAX_HEAD_BYTES + b"\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_headers_that_trickle_are_given_up(api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.4)
    silent, silent_writer = await dial(api_url)
    slow, slow_writer = await dial(api_url)
    for letter in b"GET /health/live HT":
        if slow_writer.is_closing():
            break
        slow_writer.write(bytes([letter]))
        await asyncio.sleep(0.05)
    for reader in (silent, slow):
        await given_up(reader)
    silent_writer.close()
    slow_writer.close()


async def test_a_request_in_time_is_answered_however_long_it_takes(
    api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.2)
    reader, writer = await dial(api_url)
    for _ in range(2):
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"}"), 5)).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.4)
    writer.close()


@pytest.mark.parametrize("path", [b"/api/trips/%b/messages" % (b"0" * 8 + b"-0000" * 3 + b"-" + b"0" * 12), b"/x"])
async def test_a_body_that_never_ends_is_given_up(api_url: str, monkeypatch: pytest.MonkeyPatch, path: bytes) -> None:
    monkeypatch.setattr(protocol, "BODY_WITHIN_S", 0.3)
    reader, writer = await dial(api_url)
    writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{" % path)
    await given_up(reader)
    writer.close()


async def test_a_body_in_time_leaves_the_connection_to_the_next_request(
    api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_WITHIN_S", 0.3)
    reader, writer = await dial(api_url)
    for _ in range(2):
        writer.write(b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{")
        await asyncio.sleep(0.05)
        writer.write(b"}")
        assert (await asyncio.wait_for(reader.readuntil(b"}"), 5)).startswith(b"HTTP/1.1 404")
        await asyncio.sleep(0.4)
    writer.close()


async def test_a_socket_is_no_body_that_does_not_end(api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_WITHIN_S", 0.2)
    reader, writer = await dial(api_url)
    writer.write(
        b"GET /ws/trips/00000000-0000-0000-0000-000000000000/chat HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n"
        b"connection: upgrade\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 0.6)
    writer.close()
