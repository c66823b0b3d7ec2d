"""The simulator as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx

from tests.backend.notification.harness import free_port, until


async def test_it_runs_as_a_process_with_its_default_people_and_stops_when_told(tmp_path: Path) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "backend.notification.simulator", "--data-dir", str(tmp_path), "--port", str(port)
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

            async def live() -> bool:
                try:
                    return (await client.get("/health/live")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(live, timeout_s=20)
            phones = (await client.get("/_control/phones")).json()
            assert len(phones) >= 2
            people = (await client.get("/_control/people")).json()
            assert any(one["digits"] == ["1"] for one in people)
            assert any(one["call"] == "no_answer" for one in people)
            refused = await client.get("/2010-04-01/Accounts/AC1/Calls.json")
            assert (refused.status_code, refused.json()["code"]) == (401, 20003)
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) in (0, -15)
