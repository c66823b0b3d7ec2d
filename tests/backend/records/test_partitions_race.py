"""Many trips of a new day at once make its partition once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import asyncpg


async def test_partitions_of_a_new_day_are_made_once_however_many_ask(database_url: str) -> None:
    connections = [await asyncpg.connect(database_url) for _ in range(8)]

    async def ensure(connection: asyncpg.Connection, day: date) -> None:
        async with connection.transaction():
            await connection.execute("SELECT ensure_partition('trip_message', $1)", day)

    try:
        for number in range(25):
            day = date(2030, 1, 1) + timedelta(days=number)
            await asyncio.gather(*(ensure(connection, day) for connection in connections))
    finally:
        for connection in connections:
            await connection.close()
