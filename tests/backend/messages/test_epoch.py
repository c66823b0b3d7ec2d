"""Numbers get a new epoch exactly when the database was put back to an earlier state."""

from __future__ import annotations

from pathlib import Path

from backend.messages.access import access_epoch
from backend.messages.epoch import check_epoch, marker_path, note_epoch
from backend.pipeline.services import Services

GROW = """INSERT INTO audit_state (id, tree_size, root_hash, updated_at) VALUES (1, $1, $2, now())
ON CONFLICT (id) DO UPDATE SET tree_size = $1"""


async def test_a_log_that_grew_keeps_its_epoch(services: Services, tmp_path: Path) -> None:
    await services.pool.execute(GROW, 10, b"\0" * 32)
    await note_epoch(services.pool, tmp_path)
    before = await access_epoch(services.pool)
    await services.pool.execute(GROW, 20, b"\0" * 32)
    assert not await check_epoch(services.pool, tmp_path)
    assert await access_epoch(services.pool) == before


async def test_a_log_that_is_shorter_than_its_marker_was_restored(services: Services, tmp_path: Path) -> None:
    await services.pool.execute(GROW, 50, b"\0" * 32)
    await note_epoch(services.pool, tmp_path)
    before = await access_epoch(services.pool)
    await services.pool.execute(GROW, 40, b"\0" * 32)
    assert await check_epoch(services.pool, tmp_path)
    after = await access_epoch(services.pool)
    assert after != before
    assert not await check_epoch(services.pool, tmp_path), "only once"


async def test_the_first_start_and_a_broken_marker_change_nothing(services: Services, tmp_path: Path) -> None:
    before = await access_epoch(services.pool)
    assert not await check_epoch(services.pool, tmp_path)
    marker_path(tmp_path).write_text("{")
    assert not await check_epoch(services.pool, tmp_path)
    assert await access_epoch(services.pool) == before
