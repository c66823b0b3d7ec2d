"""The command line: verbs load on demand, and what goes wrong is one line and the right exit status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest

from backend.cli import main
from backend.cli.entry import take_data_dir
from backend.cli.verbs import VERBS

TRIP = "0199b6a0-0000-7000-8000-000000000001"
USER = "0199b6a0-0000-7000-8000-000000000002"


def claims(key: str) -> dict[str, object]:
    return jwt.decode(key, options={"verify_signature": False})


@pytest.fixture
def data_dir(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {verb} " in printed for verb in VERBS)


@pytest.mark.parametrize("argv", [[], ["fly"], ["--data-dir"], ["settings", "--data-dir="]])
def test_wrong_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_data_directory_may_stand_anywhere() -> None:
    assert take_data_dir(["token", "--data-dir", "/d", "--role", "x"]) == (["token", "--role", "x"], Path("/d"))
    assert take_data_dir(["--data-dir=/d", "token"]) == (["token"], Path("/d"))


def test_a_bad_setting_is_one_line_with_its_name_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPWARDEN_API_PORT", "eighty")
    assert main(["settings"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "TRIPWARDEN_API_PORT" in line
    assert "a whole number from 0 to 65535" in line


def test_an_unknown_setting_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_dir: str
) -> None:
    monkeypatch.setenv("TRIPWARDEN_API_PROT", "80")
    assert main(["settings", "--json", "--data-dir", data_dir]) == 0
    printed = capsys.readouterr()
    assert "did you mean TRIPWARDEN_API_PORT?" in printed.err
    assert json.loads(printed.out)["data_dir"] == data_dir


def test_the_table_of_settings_shows_value_and_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPWARDEN_API_PORT", "9000")
    assert main(["settings"]) == 0
    assert "TRIPWARDEN_API_PORT = 9000   (default 8000)" in capsys.readouterr().out


def test_a_key_carries_what_was_asked_for_and_nothing_else_is_printed(
    capsys: pytest.CaptureFixture[str], data_dir: str
) -> None:
    arguments = ["--role", "driver", "--sub", USER, "--trip", TRIP, "--ttl", "60", "--data-dir", data_dir]
    assert main(["token", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    (key,) = printed.out.splitlines()
    found = claims(key)
    assert (found["role"], found["sub"], found["trip"], found["aud"]) == ("driver", USER, TRIP, "tripwarden")
    assert float(str(found["exp"])) - time.time() == pytest.approx(60, abs=5)


def test_a_batch_prints_a_key_a_line_in_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_dir: str
) -> None:
    lines = [{"role": "customer", "sub": USER, "trip": TRIP}, {"role": "service", "sub": "platform", "ttl": 5}]
    text = "\n".join(json.dumps(line) for line in lines)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["token", "--batch", "--data-dir", data_dir]) == 0
    assert [claims(key)["role"] for key in capsys.readouterr().out.splitlines()] == ["customer", "service"]


def test_a_bad_line_of_a_batch_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_dir: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"role":"service","sub":"a"}\n{"role":"king"}')))
    assert main(["token", "--batch", "--data-dir", data_dir]) == 2
    printed = capsys.readouterr()
    assert "line 2" in printed.err
    assert printed.out == ""


def test_a_staff_key_without_a_database_says_what_to_start(capsys: pytest.CaptureFixture[str], data_dir: str) -> None:
    assert main(["token", "--role", "staff", "--sub", "amina", "--data-dir", data_dir]) == 2
    assert "tripwarden up" in capsys.readouterr().err


def test_a_staff_key_makes_the_account_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_dir: str, database_url: str
) -> None:
    monkeypatch.setenv("TRIPWARDEN_DATABASE_URL", database_url)
    for role in ("lead", "moderator"):
        assert main(["token", "--role", "staff", "--sub", "amina", "--staff-role", role, "--data-dir", data_dir]) == 0
        assert claims(capsys.readouterr().out.strip())["staff_role"] == role
    assert main(["staff", "list", "--data-dir", data_dir]) == 0
    assert capsys.readouterr().out.count("amina@") == 1


def test_a_staff_account_is_added_with_a_password_from_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_dir: str, database_url: str
) -> None:
    monkeypatch.setenv("TRIPWARDEN_DATABASE_URL", database_url)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert main(["staff", "add", "olga@example.com", "--role", "admin", "--data-dir", data_dir]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["staff", "add", "petr@example.com", "--data-dir", data_dir]) == 2
    capsys.readouterr()
    assert main(["staff", "list", "--data-dir", data_dir]) == 0
    assert "olga@example.com" in capsys.readouterr().out


def test_a_key_comes_in_less_than_a_second_and_without_the_heavy_parts(data_dir: str) -> None:
    code = (
        "import sys; from backend.cli import main;"
        f"main(['token', '--role', 'service', '--sub', 'p', '--data-dir', {data_dir!r}]);"
        "print([name for name in ('sqlalchemy', 'litestar', 'numpy', 'streamlit', 'dramatiq') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
