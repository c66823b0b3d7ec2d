"""Logs are objects on stderr, and nothing that a person wrote gets into them."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator

import pytest

from backend import logs

CANARY = "call me on +77011234567"


@pytest.fixture(autouse=True)
def root_handlers_restored() -> Generator[None]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    root.handlers[:], _ = kept, root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_an_object_with_time_level_and_process(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api-1")
    logs.get_logger("x").info("trip.closed", trip_id="7")
    (line,) = lines(capsys)
    assert line["event"] == "trip.closed"
    assert line["trip_id"] == "7"
    assert line["process"] == "api-1"
    assert line["level"] == "info"
    assert str(line["timestamp"]).endswith("Z")


def test_private_fields_are_dropped_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api")
    logs.get_logger("x").warning("kept", content=CANARY, trip={"id": 1, "note": CANARY, "all": [{"body": CANARY}]})
    err = capsys.readouterr().err
    assert "kept" in err
    assert CANARY not in err


def test_library_logs_take_the_same_form_and_exceptions_keep_only_their_first_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("api")
    try:
        raise ValueError(f"broken\nDETAIL: {CANARY}")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed")
    err = capsys.readouterr().err
    line = json.loads(err)
    assert line["error"] == "ValueError"
    assert line["error_message"] == "broken"
    assert "test_logs.py" in line["at"][-1]
    assert CANARY not in err


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api", level="warning")
    logs.get_logger("x").info("quiet")
    logging.getLogger("y").info("quiet")
    assert capsys.readouterr().err == ""
