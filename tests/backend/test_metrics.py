"""Whoever is asked for metrics answers for all processes here; the dead have no samples, the silent are counted."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from backend.api.metrics import COUNTER, GAUGE, Family, Siblings, text_of


def families_of(pid: str, sockets: float) -> list[Family]:
    return [
        Family(GAUGE, "tripwarden_sockets", "Open sockets.", ("pid",), [((pid,), sockets)]),
        Family(COUNTER, "tripwarden_messages", "Messages.", ("status", "pid"), [(("delivered", pid), 3.0)]),
    ]


@asynccontextmanager
async def sibling(data_dir: Path, pid: str, sockets: float = 1.0) -> AsyncGenerator[Siblings]:
    made = Siblings(data_dir, lambda: families_of(pid, sockets))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def read(text: bytes) -> dict[str, dict[str, float]]:
    """Values by metric and pid."""
    return {
        family.name: {sample.labels["pid"]: sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text.decode())
    }


async def test_each_answers_for_all(tmp_path: Path) -> None:
    async with sibling(tmp_path, "1") as first, sibling(tmp_path, "2", 5.0) as second, sibling(tmp_path, "3"):
        for asked in (first, second):
            heard, silent = await asked.ask()
            text = text_of([family for one in heard for family in one])
            assert silent == 0
            assert read(text)["tripwarden_sockets"] == {"1": 1.0, "2": 5.0, "3": 1.0}
            assert read(text)["tripwarden_messages"] == {"1": 3.0, "2": 3.0, "3": 3.0}
            assert text.count(b"# HELP tripwarden_sockets ") == 1
        await second.stop()
        assert len((await first.ask())[0]) == 2


async def test_one_that_was_killed_goes_and_one_that_hangs_is_counted(tmp_path: Path) -> None:
    async with sibling(tmp_path, "1") as first:
        place = first.directory
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(place / "7-dead.sock"))
        with socket.socket(socket.AF_UNIX) as hanging:
            hanging.bind(str(place / "8-hangs.sock"))
            hanging.listen()
            begun = time.monotonic()
            heard, silent = await first.ask()
            assert time.monotonic() - begun < 2.0
        assert (len(heard), silent) == (1, 1)
        assert not (place / "7-dead.sock").exists()


@pytest.mark.parametrize("depth", [1, 6])
async def test_a_data_directory_with_a_long_name_is_no_hindrance(tmp_path: Path, depth: int) -> None:
    data_dir = tmp_path.joinpath(*["a-directory-with-a-long-name"] * depth)
    data_dir.mkdir(parents=True)
    async with sibling(data_dir, "1") as first, sibling(data_dir, "2"):
        assert len((await first.ask())[0]) == 2


async def test_a_place_that_cannot_be_used_leaves_each_alone(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("in the way")
    async with sibling(tmp_path, "1") as first:
        heard, silent = await first.ask()
    assert (len(heard), silent) == (1, 0)


async def test_the_api_tells_of_its_parts_its_queues_and_its_rows(client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert {
        *("tripwarden_sockets", "tripwarden_trips_local", "tripwarden_gaps_filled", "tripwarden_bells_dropped"),
        *("tripwarden_bus_connected", "tripwarden_processes_silent"),
    } <= set(found)
    assert {sample.labels["queue"] for sample in found["tripwarden_queue_length"].samples} >= {"escalation"}
    assert {sample.labels["kind"] for sample in found["tripwarden_rows"].samples} == {"waiting", "entries", "incidents"}
