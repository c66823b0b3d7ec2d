"""What a person would look for stands in a README, or the build fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.api.sockets.closing import Close
from backend.cli.verbs import VERBS
from backend.errors import CODES
from backend.settings import describe

ROOT = Path(__file__).parents[2]
BACKEND = (ROOT / "backend/README.md").read_text()
FRONT = (ROOT / "README.md").read_text()
PAGES = [path for path in ROOT.rglob("*.md") if not {".venv", "node_modules", ".cache"} & set(path.parts)]


@pytest.mark.parametrize("name", [name for name, _, _ in describe()])
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in BACKEND


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_documented(verb: str) -> None:
    assert f"`tripwarden {verb}" in BACKEND


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_code_is_documented_with_its_status(code: str) -> None:
    assert f"| `{code}` | {CODES[code].status} |" in BACKEND


@pytest.mark.parametrize("close", list(Close))
def test_every_close_code_is_documented(close: Close) -> None:
    assert f"| {close.value} |" in BACKEND


def test_no_documented_setting_or_code_has_gone() -> None:
    named = set(re.findall(r"^\| `(TRIPWARDEN_[A-Z_]+)` \|", BACKEND, re.MULTILINE))
    assert named == {name for name, _, _ in describe()}
    coded = set(re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", BACKEND, re.MULTILINE))
    assert coded == set(CODES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_picture_of_a_page_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_front_page_names_the_two_commands() -> None:
    for needed in ("make run", "make test"):
        assert needed in FRONT
