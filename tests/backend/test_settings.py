"""A wrong setting stops the start with its name, its fault and what would be right."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from backend.settings import SettingError, describe, flat, is_running, load, unknown_settings


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("TRIPWARDEN_API_PORT", "eighty", "a whole number from 0 to 65535"),
        ("TRIPWARDEN_API_PORT", "70000", "a whole number from 0 to 65535"),
        ("TRIPWARDEN_LIMIT_MESSAGES_PER_S", "nan", "a number from"),
        ("TRIPWARDEN_REDIS_URL", "localhost:6379", "redis://host:port/0"),
        ("TRIPWARDEN_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("TRIPWARDEN_LOG_JSON", "perhaps", "true or false"),
        ("TRIPWARDEN_TOKEN_ALGORITHMS", "none", "EdDSA"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(tmp_path: Path, name: str, value: str, right: str) -> None:
    with pytest.raises(SettingError) as caught:
        load({name: value}, data_dir=tmp_path)
    assert caught.value.name == name
    assert right in str(caught.value)


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        load({"TRIPWARDEN_DATABASE_URL": "mysql://root:hunter2@db/x"}, data_dir=tmp_path)
    assert "hunter2" not in str(caught.value)
    assert caught.value.name == "TRIPWARDEN_DATABASE_URL"


def test_a_half_configured_telephone_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="TRIPWARDEN_TWILIO_AUTH_TOKEN: is missing"):
        load(
            {"TRIPWARDEN_TWILIO_ACCOUNT_SID": "AC1", "TRIPWARDEN_TWILIO_FROM_NUMBER": "+15005550006"}, data_dir=tmp_path
        )


def test_an_unknown_name_is_told_with_the_nearest_and_stops_nothing(tmp_path: Path) -> None:
    env = {"TRIPWARDEN_DATABSE_URL": "x", "TRIPWARDEN_QQ": "y", "HOME": "/"}
    assert load(env, data_dir=tmp_path).database.url == ""
    assert unknown_settings(env) == [("TRIPWARDEN_DATABSE_URL", "TRIPWARDEN_DATABASE_URL"), ("TRIPWARDEN_QQ", None)]


def test_an_empty_value_is_no_value(tmp_path: Path) -> None:
    assert load({"TRIPWARDEN_API_PORT": ""}, data_dir=tmp_path).api.port == 8000


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:p%40:/@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?password=p", "***"),
        ("postgresql://h/d", "postgresql://h/d"),
    ],
)
def test_secrets_are_hidden_unless_asked_for(tmp_path: Path, address: str, shown: str) -> None:
    settings = load({"TRIPWARDEN_DATABASE_URL": address, "TRIPWARDEN_REDIS_URL": "redis://h:1/0"}, data_dir=tmp_path)
    assert flat(settings)["database_url"] == shown
    assert flat(settings)["redis_url"] == "redis://h:1/0"
    assert flat(settings, show_secrets=True)["database_url"] == address


def test_every_setting_says_what_it_means_and_what_would_be_right() -> None:
    rows = describe()
    assert len(rows) > 30
    assert all(spec.doc.endswith(".") and spec.right for _, _, spec in rows)


def write_runtime(data_dir: Path) -> None:
    (data_dir / "runtime.json").write_text(json.dumps({"settings": {"redis_url": "redis://127.0.0.1:1/0"}, "pids": {}}))


def test_what_a_running_up_says_counts_below_the_environment(tmp_path: Path) -> None:
    write_runtime(tmp_path)
    with (tmp_path / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_running(tmp_path)
        assert load({}, data_dir=tmp_path).redis.url == "redis://127.0.0.1:1/0"
        assert load({"TRIPWARDEN_REDIS_URL": "redis://r:2/0"}, data_dir=tmp_path).redis.url == "redis://r:2/0"
        assert load({}, data_dir=tmp_path, with_runtime=False).redis.url == ""


def test_what_a_killed_up_left_behind_counts_nothing(tmp_path: Path) -> None:
    write_runtime(tmp_path)
    (tmp_path / "up.lock").touch()
    assert not is_running(tmp_path)
    assert load({}, data_dir=tmp_path).redis.url == ""


def test_the_data_directory_of_the_call_wins(tmp_path: Path) -> None:
    env = {"TRIPWARDEN_DATA_DIR": "/elsewhere"}
    assert load(env).data.dir == Path("/elsewhere")
    assert load(env, data_dir=tmp_path).data.dir == tmp_path


def test_a_relative_data_directory_is_made_absolute() -> None:
    assert load({"TRIPWARDEN_DATA_DIR": "here"}).data.dir == Path(os.getcwd()) / "here"
