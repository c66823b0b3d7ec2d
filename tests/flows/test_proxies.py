"""Behind a balancer everybody is limited by their own address, whichever way it says so; and nobody else says so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from dataclasses import replace
from ipaddress import IPv4Address
from uuid import uuid4

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from backend.settings import Settings, load
from tests.backend.api_proxies.headers import line, packet
from tests.factories.served import served

STRANGER, LOCAL = "127.0.0.2", "127.0.0.1"


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One request a second of an address, two at once; what comes from 127.0.0.1 comes from a balancer."""
    return load(
        {
            "TRIPWARDEN_DATABASE_URL": database_url,
            "TRIPWARDEN_REDIS_URL": redis_url,
            "TRIPWARDEN_LOG_LEVEL": "error",
            "TRIPWARDEN_LIMIT_REQUESTS_PER_S": "1",
            "TRIPWARDEN_LIMIT_REQUESTS_PER_S_LOOPBACK": "1",
            "TRIPWARDEN_API_TRUSTED_PROXIES": f"{LOCAL}, 10.0.0.0/8",
        },
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture(scope="module")
def tcp_url(settings: Settings) -> Generator[str]:
    """An api of the same installation, behind a balancer that speaks the PROXY protocol."""
    api = replace(settings.api, proxy_protocol=True)
    with served(replace(settings, api=api), producer="tcp") as url:
        yield url


ADDRESSES = iter(f"203.0.113.{number}" for number in range(1, 255))


@pytest.fixture
def address() -> str:
    """Somebody's whom no test has met."""
    return next(ADDRESSES)


async def ask(client: httpx.AsyncClient, forwarded: str) -> int:
    """The status for somebody who says this of where they come from."""
    answer = await client.get("/api/messages/templates", headers={"X-Forwarded-For": forwarded})
    return answer.status_code


async def exhaust(client: httpx.AsyncClient, address: str) -> None:
    """Ask until this address has had its share."""
    for _ in range(5):
        if await ask(client, address) == 429:
            return
    raise AssertionError("no limit was met")


async def test_clients_of_a_balancer_have_a_limit_each(client: httpx.AsyncClient, address: str) -> None:
    await exhaust(client, address)
    assert await ask(client, f"198.51.100.1, {address}, 10.1.1.1") == 429, "the same client, by way of two balancers"
    assert await ask(client, next(ADDRESSES)) == 401


async def test_a_message_by_the_short_way_counts_for_the_client_behind_the_balancer(
    client: httpx.AsyncClient, address: str
) -> None:
    await exhaust(client, address)
    where, body = f"/api/trips/{uuid4()}/messages", {"content": "hello", "messageType": "text"}
    for other, status in ((address, 429), (next(ADDRESSES), 401)):
        answer = await client.post(where, json=body, headers={"X-Forwarded-For": other})
        assert answer.status_code == status


async def test_a_stranger_cannot_choose_an_address(api_url: str) -> None:
    transport = httpx.AsyncHTTPTransport(local_address=STRANGER)
    async with httpx.AsyncClient(base_url=api_url, transport=transport, trust_env=False) as stranger:
        assert [await ask(stranger, next(ADDRESSES)) for _ in range(4)][-1] == 429


async def test_a_socket_counts_for_the_client_behind_the_balancer(
    client: httpx.AsyncClient, api_url: str, address: str
) -> None:
    await exhaust(client, address)
    where = f"{api_url.replace('http', 'ws', 1)}/ws/trips/{'0' * 8}-0000-4000-8000-{'0' * 12}/chat"
    with pytest.raises(InvalidStatus) as refused:
        await connect(where, proxy=None, additional_headers={"X-Forwarded-For": address})
    assert refused.value.response.status_code == 429
    await (await connect(where, proxy=None, additional_headers={"X-Forwarded-For": next(ADDRESSES)})).close()


async def test_a_guess_at_a_password_counts_for_the_client_behind_the_balancer(
    client: httpx.AsyncClient, database_url: str, address: str
) -> None:
    body = {"email": "ann@example.com", "password": "a guess"}
    answer = await client.post("/api/staff/session", json=body, headers={"X-Forwarded-For": f"127.0.0.1, {address}"})
    assert answer.status_code == 401
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT address FROM sign_in_attempt") == address
    await connection.close()


async def tcp(url: str, *pieces: bytes, source: str = LOCAL) -> bytes:
    """Send these bytes over one connection, each in a segment; what comes back until the other end is silent."""
    port = int(url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer = b""
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            answer = await reader.read(65_536)
    writer.close()
    return answer


REQUEST = b"GET /api/messages/templates HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize("version", [line, packet])
async def test_the_client_in_a_proxy_header_has_a_limit_of_its_own(tcp_url: str, address: str, version: object) -> None:
    header = version(IPv4Address(address), 4711)  # type: ignore[operator]
    answers = [await tcp(tcp_url, header + REQUEST) for _ in range(4)]
    assert answers[0].startswith(b"HTTP/1.1 401")
    assert answers[-1].startswith(b"HTTP/1.1 429")
    other = version(IPv4Address(next(ADDRESSES)), 4711)  # type: ignore[operator]
    assert (await tcp(tcp_url, other[:5], other[5:20], other[20:], REQUEST[:9], REQUEST[9:])).startswith(
        b"HTTP/1.1 401"
    )


async def test_a_header_that_is_none_closes_the_connection(tcp_url: str, address: str) -> None:
    for noise in (
        REQUEST,
        b"PROXY TCP4 nobody nobody 1 2\r\n" + REQUEST,
        b"PROXY " + b"x" * 9000,
        b"\r\n\r\n\x00" * 99,
    ):
        assert await tcp(tcp_url, noise) == b""
    assert (await tcp(tcp_url, line(IPv4Address(address), 1) + REQUEST)).startswith(b"HTTP/1.1 401")


async def test_a_stranger_needs_no_header_and_is_not_believed_with_one(tcp_url: str, address: str) -> None:
    assert (await tcp(tcp_url, REQUEST, source="127.0.0.3")).startswith(b"HTTP/1.1 401")
    assert (await tcp(tcp_url, line(IPv4Address(address), 1) + REQUEST, source="127.0.0.3")).startswith(b"HTTP/1.1 400")


UPGRADE = (
    b"GET /ws/trips/00000000-0000-4000-8000-000000000000/chat HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
    b"upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


@pytest.mark.parametrize("version", [line, packet])
async def test_header_request_and_first_frame_may_come_in_one_piece(
    tcp_url: str, address: str, version: object
) -> None:
    first = Frame(Opcode.TEXT, b'{"event": "ping", "data": {}}').serialize(mask=True)
    whole = version(IPv4Address(address), 4711) + UPGRADE + first  # type: ignore[operator]
    answer = await tcp(tcp_url, whole)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"The first frame has to be auth." in answer


async def test_a_socket_behind_a_plain_balancer_counts_for_its_client(tcp_url: str, address: str) -> None:
    header = line(IPv4Address(address), 4711)
    answers = [await tcp(tcp_url, header, UPGRADE) for _ in range(4)]
    assert answers[0].startswith(b"HTTP/1.1 101")
    assert answers[-1].startswith(b"HTTP/1.1 429")
