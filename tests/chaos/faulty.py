"""The product with a fault planted in it: `python -m tests.chaos.faulty FAULT api ...` is `tripwarden api ...`, broken.

The checker has to find each of them; a checker that finds nothing would otherwise be easy to believe.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, cast

import asyncpg

from backend.cli import main
from backend.realtime import Hub

#: The event that is swallowed, of each audience of each trip.
SWALLOWED = 9


def swallow_an_event() -> None:
    """One numbered event reaches no socket, and nobody notices the gap: the socket takes it for delivered."""
    real: Any = Hub.attach
    spoilt: set[type] = set()

    def attach(self: Hub, *arguments: Any, **options: Any) -> Any:
        for kind in {type(one) for one in (*arguments, *options.values()) if hasattr(one, "offer")} - spoilt:
            spoilt.add(kind)
            _spoil(kind)
        return real(self, *arguments, **options)

    Hub.attach = cast("Any", attach)


def _spoil(kind: Any) -> None:
    real = kind.offer

    def offer(self: Any, seq: int, frame: bytes) -> None:
        if seq == SWALLOWED and self.cursor == seq - 1:
            self.cursor = seq
        else:
            real(self, seq, frame)

    kind.offer = offer


def ack_too_early() -> None:
    """PostgreSQL answers a commit before it is durable, and so do we; its log is written a while later."""
    real: Any = asyncpg.connection.connect

    def connect(*arguments: Any, **options: Any) -> Any:
        options["server_settings"] = {**(options.get("server_settings") or {}), "synchronous_commit": "off"}
        return real(*arguments, **options)

    asyncpg.connection.connect = asyncpg.connect = cast("Any", connect)
    asyncio.run(_write_the_log_late())


async def _write_the_log_late() -> None:
    """A fifth of a second, the default, is a narrow window to be hit in; this is a wide one."""
    from backend.settings import load

    connection = await cast("Any", asyncpg).connect(load(with_runtime=False).database.url)
    await connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


FAULTS: dict[str, Callable[[], None]] = {"swallow-an-event": swallow_an_event, "ack-too-early": ack_too_early}


if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
