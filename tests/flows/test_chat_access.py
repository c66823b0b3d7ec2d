"""Who may read and write what, at the edges: swapped drivers, covert calls, foreign receipts, lost bells."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from backend.pipeline.services import Services
from tests.factories.chat import Chat


async def test_a_swapped_driver_reads_nothing_new_even_when_the_bell_is_lost(chat: Chat, services: Services) -> None:
    old = chat.as_("driver")
    assert (await chat.client.get(f"{chat.path}/messages", headers=old)).status_code == 200
    for table, key in (("trip", "id"), ("trip_chat", "trip_id")):
        await services.pool.execute(f"UPDATE {table} SET driver_id = $2 WHERE {key} = $1", chat.trip_id, uuid4())
    await asyncio.sleep(1.2)
    answer = await chat.client.get(f"{chat.path}/messages", headers=old)
    assert (answer.status_code, answer.json()["code"]) == (404, "trip_not_found")
