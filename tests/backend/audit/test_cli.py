"""`tripwarden audit` as an auditor calls it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from backend.audit import AuditLog
from backend.audit.cli import main
from backend.audit.note import Signer
from backend.clock import MovableClock
from backend.db import Database
from backend.keys import Keyring, LocalRootKey
from backend.settings import DatabaseSettings
from tests.backend.audit.writing import fill

ORIGIN = "tripwarden.local/audit"  # the default of the settings


async def write_log(url: str, data_dir: Path) -> None:
    from datetime import UTC, datetime, timedelta

    db = Database(DatabaseSettings(url=url))
    await db.open()
    clock = MovableClock(datetime.now(UTC) - timedelta(minutes=5))
    keyring = Keyring(db, LocalRootKey.load(data_dir), clock)
    audit = AuditLog(db, keyring, clock, "api-1", origin=ORIGIN)
    await fill(db, audit, clock, Signer.load(data_dir, "", ORIGIN), 40, 10)
    await db.close()


async def execute(url: str, statement: str) -> object:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Path:
    directory = tmp_path_factory.mktemp("data")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(write_log(database_url, directory))
    loop.close()
    return directory


@pytest.fixture
def call(data_dir: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Calls `tripwarden audit ...` outside of any event loop; gives exit status and what was printed."""
    monkeypatch.setenv("TRIPWARDEN_DATABASE_URL", database_url)

    def run(*argv: str | Path) -> tuple[int, str]:
        status = main([str(argument) for argument in argv], data_dir)
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def in_database(url: str, statement: str) -> object:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(execute(url, statement))
    finally:
        loop.close()


def test_a_good_log_verifies_in_every_way(call, tmp_path):
    assert call("verify", "log") == (0, "ok: 40 private open, 40 entries, 4 checkpoints, 1 producers, 0 waiting\n")
    assert call("verify", "log", "--database")[0] == 0
    assert call("verify", "gaps") == (0, "ok: 40 entries, 1 producers\n")
    assert call("verify", "consistency") == (0, "ok: 4 checkpoints\n")
    assert call("export", "--out", tmp_path / "log.jsonl")[0] == 0
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600
    assert call("verify", "gaps", "--export", tmp_path / "log.jsonl")[0] == 0
    key = call("key")[1].strip()
    assert key.startswith(f"{ORIGIN}+")
    assert call("verify", "log", "--export", tmp_path / "log.jsonl", "--key", key) == (
        0,
        "ok: 40 entries, 4 checkpoints, 1 producers\n",
    )


def test_an_export_verifies_without_database_and_data_directory(call, tmp_path, monkeypatch):
    call("export", "--out", tmp_path / "log.jsonl", "--private")
    monkeypatch.delenv("TRIPWARDEN_DATABASE_URL")
    assert main(["verify", "log", "--export", str(tmp_path / "log.jsonl")], tmp_path / "nowhere") == 0
    assert main(["verify", "log"], tmp_path / "nowhere") == 3


def test_a_tampered_log_is_named_as_text_and_as_json(call, database_url, tmp_path):
    note = tmp_path / "checkpoint"
    note.write_text(str(in_database(database_url, "SELECT note FROM audit_checkpoint WHERE tree_size = 20")))
    assert call("verify", "log", "--checkpoint", note)[0] == 0
    assert call("verify", "consistency", "--checkpoint", note)[0] == 0
    in_database(database_url, "UPDATE audit_entry SET leaf = set_byte(leaf, 12, 0) WHERE entry_index = 7")
    try:
        status, said = call("verify", "log")
        assert (status, "entry 7 is not the one that was entered there" in said) == (1, True)
        status, said = call("verify", "log", "--json")
        found = json.loads(said)
        assert {finding["index"] for finding in found["findings"]} == {7, None}  # None: its number never arrived
        assert (status, found["exit"]) == (1, 1)
    finally:
        in_database(database_url, "DELETE FROM audit_entry WHERE entry_index = 7")
    assert "entry 7 is missing" in call("verify", "log")[1]


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["verify"],
        ["verify", "everything"],
        ["verify", "bundle", "x"],
        ["export"],
        ["verify", "log", "--key", "nonsense"],
        ["verify", "log", "--export", "a", "--database"],
    ],
)
def test_a_wrong_call_ends_with_three(call, argv):
    status, said = call(*argv)
    assert status == 3
    assert said.startswith("tripwarden audit: ")


def test_a_log_that_cannot_be_read_is_incomplete(call, tmp_path, monkeypatch):
    assert call("verify", "log", "--export", tmp_path / "nothing")[0] == 2
    monkeypatch.setenv("TRIPWARDEN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert call("verify", "log")[0] == 2


def test_help_is_no_mistake(call):
    assert call("verify", "--help")[0] == 0
