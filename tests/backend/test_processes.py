"""Worker, sweeper and api at their rough edges: a start without a database, a database that cuts every line, a stop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx

from backend.pipeline.services import Services
from backend.settings import Settings
from backend.sweeper import sweep
from tests.factories.chat import Chat
from tests.factories.served import served
from tests.factories.tokens import Tokens, bearer

_CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'tripwarden%'"""


def test_a_worker_without_a_database_ends_and_does_not_say_that_it_works(tmp_path: Path, redis_url: str) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from backend.settings import load\n"
        "from backend.worker import run\n"
        "settings = load({'TRIPWARDEN_DATABASE_URL': 'postgresql://nobody@127.0.0.1:1/none',"
        f" 'TRIPWARDEN_REDIS_URL': {redis_url!r}}}, data_dir=Path({str(tmp_path)!r}))\n"
        "sys.exit(run(settings, ready=lambda: print('ready')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "ready" not in done.stdout.splitlines()


async def cut_every_line(services: Services) -> None:
    """What a restart of PostgreSQL does to everybody's connections."""
    async with services.pool.acquire() as connection:
        await connection.execute(_CUT)


async def test_after_every_connection_was_cut_a_send_works_again(
    services: Services, client: httpx.AsyncClient, tokens: Tokens
) -> None:
    chat = Chat(client, tokens)
    await chat.begin()
    driver, rider = await chat.join("driver"), await chat.join("customer")
    for number in range(8):
        await cut_every_line(services)
        answers = [await chat.say("driver", f"gate {number}", clientMessageId=f"{number:032x}") for _ in range(2)]
        assert answers[0].status_code in (201, 503)
        assert answers[1].status_code in (200, 201), answers[1].text
        # From the other side: together they would be more than one person may send at once.
        masked = await chat.say("customer", f"call me +7 701 123 45 6{number}")
        assert masked.status_code in (201, 503)
    for _ in range(8):
        await rider.hear("new-message", 8.0)
    await rider.send("message", content="still here")
    assert (await rider.hear("ack"))["status"] == "delivered"
    assert await driver.hear("new-message")
    await chat.hang_up()


async def test_sweepers_go_on_after_every_connection_was_cut(services: Services) -> None:
    stopping = asyncio.Event()
    sweeping = asyncio.create_task(sweep(services, stopping))
    for _ in range(3):
        await asyncio.sleep(0.3)
        await cut_every_line(services)
    await asyncio.sleep(1.5)
    assert not sweeping.done()
    waiting = await services.pool.fetchval("SELECT count(*) FROM audit_intake")
    for _ in range(100):
        if not waiting:
            break
        await asyncio.sleep(0.1)
        waiting = await services.pool.fetchval("SELECT count(*) FROM audit_intake")
    assert waiting == 0
    stopping.set()
    await asyncio.wait_for(sweeping, 5)


async def test_a_stop_says_so_to_every_socket_and_finishes_what_is_under_way(
    settings: Settings, services: Services, client: httpx.AsyncClient, tokens: Tokens
) -> None:
    chat = Chat(client, tokens)
    await chat.begin()
    stays = await chat.join("customer")
    leaving = served(settings, producer="api-leaves")
    url = leaving.__enter__()
    leaves = await chat.join("driver", url)
    async with services.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM trip_chat WHERE trip_id = $1 FOR UPDATE", chat.trip_id)
        sending = asyncio.create_task(_say(url, chat, "under way"))
        await asyncio.sleep(0.5)
        stopping = asyncio.create_task(asyncio.to_thread(leaving.__exit__, None, None, None))
        assert await leaves.closed_with() == 1012
    answer = await sending
    await stopping
    assert answer.status_code == 201
    assert (await stays.hear("new-message", 3.0))["content"] == "under way"
    await chat.hang_up()


async def _say(url: str, chat: Chat, content: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as phone:
        body = {"content": content, "messageType": "text"}
        return await phone.post(f"{chat.path}/messages", json=body, headers=bearer(chat.token("driver")))
