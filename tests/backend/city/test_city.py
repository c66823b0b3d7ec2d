"""The city against a real api: real sockets, real trips, and an api that goes away for a moment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from backend.pipeline.services import Services
from backend.settings import Settings

RUN = [sys.executable, "-c", "import sys; from backend.city.cli import run; sys.exit(run(sys.argv[1:]))"]


def start(settings: Settings, url: str, *argv: str) -> subprocess.Popen[str]:
    """`tripwarden simulate` in a process of its own."""
    env = {**os.environ, "TRIPWARDEN_DATA_DIR": str(settings.data.dir)}
    command = [*RUN, "--url", url, *argv]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def report_of(process: subprocess.Popen[str], timeout_s: float = 100) -> dict[str, Any]:
    """The figures that it prints at its end."""
    out, err = await asyncio.to_thread(process.communicate, timeout=timeout_s)
    assert process.returncode == 0, err
    return json.loads(out)


def lines(path: Path, count: int) -> Path:
    path.write_text(
        "\n".join(json.dumps({"text": f"message {n}", "group": f"g{n // 10}", "lang": "en"}) for n in range(count))
    )
    return path


async def statuses(services: Services) -> Sequence[str]:
    async with services.db.session() as session:
        return list((await session.execute(text("SELECT DISTINCT status FROM trip"))).scalars())


async def live(services: Services) -> int:
    async with services.db.session() as session:
        return (await session.execute(text("SELECT count(*) FROM trip WHERE ended_at IS NULL"))).scalar_one()


async def test_a_city_talks_moves_presses_and_ends_its_trips(
    api_url: str, settings: Settings, services: Services
) -> None:
    city = start(settings, api_url, "--trips", "4", "--speed", "12", "--seconds", "10", "--seed", "5")
    report = await report_of(city)
    assert report["sent"] >= 12
    assert report["errors"] == {}
    assert report["emergencies"] == 1
    assert report["acked"] + report["rejected"] >= report["sent"] - 4, "at most one each trip was under way at the end"
    assert report["delivered"] + report["withheld"] >= report["acked"] - 4
    assert len(report["by_language"]) >= 2
    assert report["delivery_ms"]["p99"] is not None
    assert set(await statuses(services)) <= {"completed", "cancelled"}
    async with services.db.session() as session:
        places = await session.execute(text("SELECT count(*) FROM trip WHERE location ->> 'lat' IS NOT NULL"))
        assert places.scalar_one() >= 4
        marks = await session.execute(text("SELECT DISTINCT kind FROM trip_receipt"))
        assert {"delivered", "read"} == set(marks.scalars())


async def test_a_file_is_replayed_whole(api_url: str, settings: Settings, tmp_path: Path) -> None:
    file, written = lines(tmp_path / "rows.jsonl", 60), tmp_path / "report.json"
    replay = start(settings, api_url, "--dialogues", str(file), "--rate", "60", "--report", str(written))
    report = await report_of(replay)
    assert report["sent"] == report["acked"] == 60
    assert report["delivered"] == report["delivery_ms"]["count"] == 60
    assert report["trips_started"] == report["trips_ended"] == 6
    assert report["by_language"]["en"]["sent"] == 60
    assert json.loads(written.read_text()) == report


async def test_a_stop_in_the_middle_ends_trips_and_reports(
    api_url: str, settings: Settings, services: Services
) -> None:
    city = start(settings, api_url, "--trips", "3", "--speed", "4")
    while await live(services) < 3:  # noqa: ASYNC110 (it is another process: nothing here tells of it)
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    city.send_signal(signal.SIGTERM)
    report = await report_of(city)
    assert report["trips_started"] == report["trips_ended"] >= 3
    assert set(await statuses(services)) <= {"completed", "cancelled"}


@asynccontextmanager
async def proxied(url: str) -> AsyncGenerator[tuple[str, list[asyncio.StreamWriter]]]:
    """An address in front of the api whose connections can all be cut at once."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection(host, port)
        writers.extend((writer, behind[1]))
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", writers
        for writer in writers:
            writer.transport.abort()


async def test_nothing_is_lost_when_every_connection_is_cut_again_and_again(
    api_url: str, settings: Settings, tmp_path: Path
) -> None:
    file = lines(tmp_path / "rows.jsonl", 120)
    async with proxied(api_url) as (url, writers):
        replay = start(settings, url, "--dialogues", str(file), "--rate", "30", "--trips", "6")
        figures = asyncio.create_task(report_of(replay))
        for _ in range(3):
            while len(writers) < 20 and not figures.done():  # noqa: ASYNC110 (six trips are connected)
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            for writer in writers:
                writer.transport.abort()
            writers.clear()
        report = await figures
    assert report["reconnects"] >= 6
    assert report["sent"] == report["acked"] == report["delivered"] == 120


async def test_no_api_is_said_in_one_line(settings: Settings) -> None:
    city = start(settings, "http://127.0.0.1:9", "--trips", "1", "--wait", "0.5")
    _, err = await asyncio.to_thread(city.communicate, timeout=60)
    assert err.strip() == "tripwarden simulate: no api answers at http://127.0.0.1:9"
    assert city.returncode == 1
