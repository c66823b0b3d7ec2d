"""`python -m moderation`: one line out for each line in, whatever the line is."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from moderation import Pipeline, cli_main
from moderation.__main__ import run


def answers(pipeline: Pipeline, *lines: str | bytes) -> tuple[int, list[dict[str, object]]]:
    out = io.StringIO()
    code = run(lines, out, pipeline)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def test_verdicts_come_in_order_with_every_field(pipeline: Pipeline) -> None:
    code, (hello, threat) = answers(pipeline, '{"text": "hello"}\n', '{"text": "I will kill you", "lang": "en"}\n')

    assert code == 0
    assert {"outcome", "flags", "labels", "signals", "policy", "model", "ms"} <= hello.keys()
    assert hello["outcome"] == "allow"
    assert threat["outcome"] == "quarantine"
    assert threat["signals"][0] == {"code": "threat", "score": 0.95, "span": [0, 15]}  # type: ignore[index]


def test_context_is_taken_from_the_line(pipeline: Pipeline) -> None:
    recent = [{"at": 100.0 + n, "text": "hello"} for n in range(3)]
    line = json.dumps({"text": "hello", "context": {"now": 104.0, "sender_role": "customer", "recent": recent}})

    _, (verdict,) = answers(pipeline, line)

    assert (verdict["outcome"], verdict["reason"]) == ("reject", "flood")


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ('{"text": 5}', "bad_line", 2),
        ('{"text": "abc', "bad_line", 14),
        ('{"text": ]}', "bad_line", 10),
        ("[1]", "bad_line", 1),
        ("", "bad_line", 1),
        ("{}", "bad_line", 1),
        (b'{"text": "\xff"}', "bad_line", 11),
        ('{"text": "a", "context": {"sender_role": "pilot"}}', "bad_line", 27),
        ('{"image": "no-such-cat.jpg"}', "photo_unreadable", None),
    ],
)
def test_a_bad_line_is_answered_with_its_place_and_the_run_goes_on(
    pipeline: Pipeline, line: str | bytes, code: str, column: int | None
) -> None:
    status, (before, bad, after) = answers(pipeline, '{"text": "a"}', line, '{"text": "b"}')

    assert status == 1
    assert before["outcome"] == after["outcome"] == "allow"
    error = bad["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["line"], error.get("column")) == (code, 2, column)
    assert error["message"]


def test_a_line_beyond_the_limit_is_refused(pipeline: Pipeline) -> None:
    _, (bad,) = answers(pipeline, '{"text": "' + "a" * 1_000_001 + '"}')

    assert bad["error"]["code"] == "line_too_long"  # type: ignore[index]


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text('{"text": "hello"}\nnonsense\n')

    done = subprocess.run([sys.executable, "-m", "moderation", str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert [json.loads(line).keys() & {"outcome", "error"} for line in done.stdout.splitlines()] == [
        {"outcome"},
        {"error"},
    ]


def test_a_missing_file_or_policy_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_main([str(tmp_path / "no.jsonl")]) == 2
    assert cli_main(["--policy", str(tmp_path / "no.toml")]) == 2
    said = capsys.readouterr().err
    assert "no.jsonl" in said
    assert "no.toml" in said
