"""House rules that a machine can hold."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from backend.db import SCHEMA_HEAD, new_id
from backend.migrations import configuration
from backend.pipeline.services import Services
from backend.schema import metadata

ROOT = Path(__file__).parents[2]
PACKAGES = ("backend", "console", "moderation", "retention")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
MAX_LINES = 500
#: Things of the database's own that models do not declare: partitions, functions' indexes, expression indexes.
PARTITION = re.compile(r"_\d{8}$|_held$")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_outgrows_its_room(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_half_of_the_files_are_short() -> None:
    lengths = sorted(len(path.read_text().splitlines()) for path in SOURCES)
    assert lengths[len(lengths) // 2] <= 120
    assert lengths[int(len(lengths) * 0.95)] <= 350


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in SOURCES if path.read_text().strip() and not _has_docstring(path)]
    assert silent == []


def _has_docstring(path: Path) -> bool:
    text = path.read_text().lstrip()
    return text.startswith('"""') and not text.startswith('"""."""')


def test_ids_that_we_mint_are_version_seven() -> None:
    assert all(new_id().version == 7 for _ in range(10))
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)


def test_the_code_needs_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [SCHEMA_HEAD]


async def test_models_and_migrations_agree(services: Services) -> None:
    def compare(connection: Connection) -> list[object]:
        options = {"compare_type": False, "include_schemas": True, "include_object": _ours}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async with services.db.engine.connect() as connection:
        differences = await connection.run_sync(compare)
    assert differences == []


def _ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Tables and columns; indexes and constraints are SQL that the migrations own."""
    if kind == "table":
        return name != "alembic_version" and not PARTITION.search(name or "") and not (reflected and other is None)
    return kind == "column"


def test_no_path_of_somebodys_machine_is_in_the_product() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert listed or not (ROOT / ".git").exists()
    home = re.compile(r"(?<![\w./-])/(?:home|Users)/\w")
    own = "tests/architecture/test_house.py"
    told = [name for name in listed if name.endswith((".py", ".md", ".toml", ".sql")) and name != own]
    assert [name for name in told if _mentions(ROOT / name, home)] == []


def _mentions(path: Path, words: re.Pattern[str]) -> bool:
    return path.exists() and words.search(path.read_text(errors="replace")) is not None
