"""Is it well? Asked over HTTP, as anybody else would; without a client library, for it is asked ten times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

TIMEOUT_S = 2.0
#: An answer about health is short; what is longer is not ours.
LONGEST_ANSWER = 64 * 1024


async def get(url: str) -> tuple[int, str]:
    """Status and body of `http://host:port/path`. Raises OSError, TimeoutError, ValueError."""
    async with asyncio.timeout(TIMEOUT_S):
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            answer = await reader.read(LONGEST_ANSWER)
            while more := await reader.read(LONGEST_ANSWER):
                answer += more
        finally:
            writer.close()
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    return int(head.split(maxsplit=2)[1]) if head else 0, body


def answers(url: str, *, below: int = 300) -> Callable[[], Awaitable[bool]]:
    """A question that is true once `url` answers with a status below `below`."""

    async def ask() -> bool:
        try:
            status, _ = await get(url)
        except (OSError, TimeoutError, ValueError, IndexError):
            return False
        return 0 < status < below

    return ask


async def what_is_wrong(url: str) -> str:
    """The answer of a readiness address in a few words; empty when it is well."""
    try:
        status, body = await get(url)
    except (OSError, TimeoutError, ValueError, IndexError) as error:
        return f"no answer ({type(error).__name__})"
    return "" if status == 200 else f"{status} {body[:300]}"
