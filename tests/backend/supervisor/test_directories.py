"""As root the engines belong to a system user; a place closed to it is refused and nothing is touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from backend.settings import SettingError
from backend.supervisor import postgres
from backend.supervisor.directories import EngineUser, check_reachable, make_data_directory, write_private
from backend.supervisor.ports import is_free, kept_port, listen

#: Nobody's id on any machine.
STRANGER = EngineUser("stranger", 3_999_999, 3_999_999)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_place(tmp_path: Path) -> Path:
    for step in (tmp_path, *tmp_path.parents):
        if step.owner() == Path.home().owner() and mode(step) & 0o001 == 0 and step != Path("/"):
            step.chmod(mode(step) | 0o711)
    return tmp_path


def test_a_closed_parent_is_refused_by_name_before_anything_is_made(open_place: Path) -> None:
    closed = open_place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SettingError, match=str(closed)):
        make_data_directory(closed / "a" / "b", STRANGER)
    assert list(closed.iterdir()) == []
    assert mode(closed) == 0o700


def test_a_closed_data_directory_is_refused_and_stays_closed(open_place: Path) -> None:
    open_place.chmod(0o700)
    with pytest.raises(SettingError, match=str(open_place)):
        make_data_directory(open_place, STRANGER)
    assert mode(open_place) == 0o700


def test_an_open_place_is_used_and_keeps_its_permissions(open_place: Path) -> None:
    before = mode(open_place)
    make_data_directory(open_place / "a" / "b", STRANGER)
    assert mode(open_place) == before
    assert mode(open_place / "a" / "b") == 0o711
    check_reachable(open_place / "a" / "b", STRANGER)


def test_nobody_may_look_into_the_data_directory(tmp_path: Path) -> None:
    make_data_directory(tmp_path / "data", None)
    assert mode(tmp_path / "data") == (0o711 if os.geteuid() == 0 else 0o700)


def test_the_whole_preparation_makes_nothing_in_a_closed_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "engine_user", lambda _existing=None: STRANGER)
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(SettingError, match="TRIPWARDEN_DATA_DIR"):
        postgres.prepare(tmp_path / "closed" / "data")
    assert list((tmp_path / "closed").iterdir()) == []


def test_binaries_in_a_closed_place_are_copied_for_the_stranger(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "is_open_to", lambda _step, _user: False)
    binaries = postgres.reachable_binaries(open_place, STRANGER)
    assert binaries == open_place / "postgresql-18" / "bin"
    assert (binaries / "postgres").exists()
    assert (open_place / "postgresql-18" / "lib").is_dir()


def test_a_private_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "x")
    write_private(tmp_path / "secret", "y")
    assert (tmp_path / "secret").read_text() == "y"
    assert mode(tmp_path / "secret") == 0o600


def test_a_port_is_kept_while_it_is_free_and_another_taken_when_not(tmp_path: Path) -> None:
    port = kept_port(tmp_path / "port")
    assert kept_port(tmp_path / "port") == port
    with listen("127.0.0.1", port, "--port"):
        assert not is_free(port)
        assert kept_port(tmp_path / "port") != port


def test_a_taken_port_is_named_with_its_flag() -> None:
    with listen("127.0.0.1", 0, "--port") as first:
        port = first.getsockname()[1]
        with pytest.raises(SettingError, match=f"--port: port {port} is in use"):
            listen("127.0.0.1", port, "--port")
