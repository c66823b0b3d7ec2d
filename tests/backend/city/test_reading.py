"""Files to replay: what is read, and where a fault is."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.city import cli
from backend.city.reading import BadFile, Row, read_rows
from backend.city.replaying import SHARED_TRIP_ROWS, conversations


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_json_lines_are_read_with_their_groups_and_languages(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": "hi", "group": "a", "lang": "en"}\n\n{"text": "сәлем", "group": 7}\n{"text": ""}')
    assert read_rows(path) == [Row("hi", "a", "en"), Row("сәлем", "7", "und"), Row("", "row-4", "und")]


def test_parquet_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.data"
    pq.write_table(pa.table({"text": ["hi", "hola"], "group": ["a", None], "toxicity": [0, 1]}), path)
    assert read_rows(path) == [Row("hi", "a", "und"), Row("hola", "row-2", "und")]


def test_a_limit_stops_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": "a"}\n{"text": "b"}\nnot json')
    assert [row.text for row in read_rows(path, limit=2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"text": "a"}\n{"text": "b"', 2, 13),
        ('{"text": "a"}\n\n{"words": "b"}', 3, 1),
        ('{"lang": "en", "text": 5}', 1, 16),
        ('{"text": "a", "group": [1]}', 1, 15),
        ('["a"]', 1, 1),
        (b'{"text": "\xff"}', 1, 11),
    ],
)
def test_a_fault_is_named_with_its_line_and_column(tmp_path: Path, text: str | bytes, line: int, column: int) -> None:
    with pytest.raises(BadFile) as caught:
        read_rows(write(tmp_path, text))
    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"line {line}" in str(caught.value)


def test_parquet_without_texts_is_told_by_its_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"words": ["hi"]}), path)
    with pytest.raises(BadFile, match="column text: is missing; the file has words"):
        read_rows(path)
    pq.write_table(pa.table({"text": ["hi", None]}), path)
    with pytest.raises(BadFile, match="line 2, column text"):
        read_rows(path)


def test_a_cut_parquet_file_is_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["hi"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFile, match="Parquet"):
        read_rows(path)


@pytest.mark.parametrize("content", [None, "", "{"])
def test_the_command_answers_a_bad_file_with_2(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_text(content)
    assert cli.main(["--dialogues", str(path)], tmp_path) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "argv", [["--trips", "0"], ["--rate", "x"], ["--url", "localhost:8000"], ["--seconds", "-1"], ["--unknown"]]
)
def test_a_wrong_argument_answers_2(argv: list[str], tmp_path: Path) -> None:
    assert cli.main(argv, tmp_path) == 2


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from("abcdefgh")), max_size=60))
def test_every_row_is_in_one_conversation_and_groups_stay_in_order(pairs: list[tuple[str, str]]) -> None:
    rows = [Row(f"{place} {text}", group, "en") for place, (text, group) in enumerate(pairs)]
    trips = conversations(rows)
    assert sorted(row.text for trip in trips for row in trip) == sorted(row.text for row in rows)
    for group in "abcdefgh":
        holding = [trip for trip in trips if any(row.group == group for row in trip)]
        assert len(holding) <= 1
        if holding:
            kept = [row for row in holding[0] if row.group == group]
            assert kept == [row for row in rows if row.group == group]
    assert all(len(trip) >= SHARED_TRIP_ROWS // 2 for trip in trips[:-1])


def test_json_lines_and_parquet_of_the_same_rows_read_the_same(tmp_path: Path) -> None:
    rows = [{"text": f"t{n}", "group": f"g{n // 3}", "lang": "ru"} for n in range(9)]
    lines = write(tmp_path, "\n".join(json.dumps(row) for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert read_rows(lines) == read_rows(tmp_path / "rows.parquet")
