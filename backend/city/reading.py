"""Files of dialogues to replay: JSON lines or Parquet with `text` and, where known, `group` and `lang`.

A file is checked whole before the first message goes out, so that a fault in row 40,000 is told at once and not after
an hour. Columns: `text` (string, needed), `group` (conversation; rows of one follow each other), `lang` (ISO 639-1).
"""

from __future__ import annotations

import json  # not msgspec: the standard reader says in which column a line is broken
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

PARQUET_MAGIC = b"PAR1"
#: Longest text of a row, in code points; the api has its own, smaller limit.
TEXT_MAX = 100_000


class BadFile(Exception):
    """A file that cannot be replayed. `line` counts from 1 (rows, in Parquet); `column` is a place or a name."""

    def __init__(self, path: Path, line: int | None, column: int | str | None, fault: str) -> None:
        self.path, self.line, self.column = path, line, column
        place = [str(path)]
        if line is not None:
            place.append(f"line {line}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {fault}")


class Row(msgspec.Struct, frozen=True):
    """One utterance."""

    text: str
    group: str
    lang: str


def read_rows(path: Path, limit: int | None = None) -> list[Row]:
    """All rows of a file, at most `limit`. Raises `BadFile`."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise BadFile(path, None, None, error.strerror or "cannot be read") from error
    rows = list(_parquet(path, limit) if magic == PARQUET_MAGIC else _json_lines(path, limit))
    if not rows:
        raise BadFile(path, None, None, "holds no rows")
    return rows


def _json_lines(path: Path, limit: int | None) -> Iterator[Row]:
    count = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if limit is not None and count >= limit:
                return
            if not raw.strip():
                continue
            yield _json_row(path, number, raw)
            count += 1


def _json_row(path: Path, number: int, raw: bytes) -> Row:
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(path, number, error.start + 1, "is not UTF-8") from error
    try:
        value: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadFile(path, number, error.colno, f"is not JSON ({error.msg})") from error
    except RecursionError as error:
        raise BadFile(path, number, 1, "is nested too deeply") from error
    if not isinstance(value, dict):
        raise BadFile(path, number, 1, "is not an object with a text")
    row = cast("dict[str, Any]", value)
    fault = _fault(row)
    if fault is not None:
        name, sentence = fault
        at = line.find(f'"{name}"')
        raise BadFile(path, number, at + 1 if at >= 0 else 1, f"{name} {sentence}")
    return _row(row, number)


def _parquet(path: Path, limit: int | None) -> Iterator[Row]:
    try:
        file = cast("Any", pq.ParquetFile(path))  # pyarrow ships no types
        names = cast("list[str]", file.schema_arrow.names)
        if "text" not in names:
            raise BadFile(path, None, "text", f"is missing; the file has {', '.join(names) or 'no columns'}")
        wanted = [name for name in ("text", "group", "lang") if name in names]
        number = 0
        for batch in file.iter_batches(batch_size=4096, columns=wanted):
            for row in cast("list[dict[str, Any]]", batch.to_pylist()):
                number += 1
                if limit is not None and number > limit:
                    return
                if (fault := _fault(row)) is not None:
                    raise BadFile(path, number, fault[0], fault[1])
                yield _row(row, number)
    except (cast("type[Exception]", pa.ArrowException), OSError) as error:  # pyright: ignore[reportUnknownMemberType]
        raise BadFile(path, None, None, f"is not a Parquet file that can be read ({error})") from error


def _fault(row: dict[str, Any]) -> tuple[str, str] | None:
    """The first field that is not right: its name and what is wrong."""
    text = row.get("text")
    if not isinstance(text, str):
        return ("text", "is missing" if text is None else "is not a string")
    if len(text) > TEXT_MAX:
        return ("text", f"is longer than {TEXT_MAX:,} characters")
    for name in ("group", "lang"):
        if not isinstance(row.get(name), str | int | float | None):
            return (name, "is not a string or a number")
    return None


def _row(row: dict[str, Any], number: int) -> Row:
    group, lang = row.get("group"), row.get("lang")
    return Row(
        text=row["text"],
        group=f"row-{number}" if group is None or group == "" else str(group),
        lang=str(lang) if lang else "und",
    )
