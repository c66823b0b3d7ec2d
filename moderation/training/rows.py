"""Reads training rows: Parquet sets, our own additions, and weak labels for heads that hardly any set has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from moderation.codes import HEADS
from moderation.untyped import untyped

LabelMap = dict[str, int]

# Heads whose sets are too small, and the signals that stand in where a row is known to be toxic.
WEAK_SIGNALS: dict[str, frozenset[str]] = {
    "severe_toxicity": frozenset(("keyword_slur",)),
    "obscene": frozenset(("keyword_profanity",)),
    "threat": frozenset(("threat",)),
    "insult": frozenset(("keyword_insult",)),
    "sexual_explicit": frozenset(("solicitation",)),
}


class Row(msgspec.Struct, frozen=True):
    """A text, where it is from, and 0/1 for the heads that are known."""

    text: str
    source: str
    labels: LabelMap


class DataError(RuntimeError):
    """Training data that is missing or of another shape; says the file."""


def read_parquet(path: Path) -> list[Row]:
    """Read a set with seven nullable labels and `toxicity_weak`, which is the toxicity label that is trained on."""
    try:
        table = untyped("pyarrow.parquet").read_table(path)
        names = ("text", "source", "toxicity_weak", *HEADS)
        columns: dict[str, list[Any]] = {name: table.column(name).to_pylist() for name in names}
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: {error}") from error
    rows: list[Row] = []
    for number, text in enumerate(columns["text"]):
        labels = {head: columns[head][number] for head in HEADS} | {"toxicity": columns["toxicity_weak"][number]}
        rows.append(Row(text, columns["source"][number], {head: int(v) for head, v in labels.items() if v is not None}))
    return rows


def read_extra() -> Iterator[Row]:
    """Our own additions, written for this purpose (`training/extra/*.jsonl`)."""
    folder = resources.files("moderation").joinpath("training/extra")
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield msgspec.json.decode(line, type=Row)


def with_weak_labels(rows: Sequence[Row], codes_of: Callable[[str], frozenset[str]]) -> list[Row]:
    """Fill unknown heads: 0 where a row is known not to be toxic, 1 where it is and a signal of that head hits."""
    return [Row(row.text, row.source, _filled(row, codes_of)) for row in rows]


def _filled(row: Row, codes_of: Callable[[str], frozenset[str]]) -> LabelMap:
    labels = dict(row.labels)
    toxic = labels.get("toxicity")
    if toxic is None:
        return labels
    codes = codes_of(row.text) if toxic else frozenset[str]()
    for head, signals in WEAK_SIGNALS.items():
        if head in labels:
            continue
        if not toxic:
            labels[head] = 0
        elif codes & signals:
            labels[head] = 1
        elif not row.source.startswith("own"):
            labels[head] = 0
    return labels


def known(rows: Sequence[Row], head: str) -> tuple[list[int], list[int]]:
    """Return the numbers of the rows where `head` is known, and their labels."""
    numbers = [number for number, row in enumerate(rows) if head in row.labels]
    return numbers, [rows[number].labels[head] for number in numbers]


def source_weights(rows: Sequence[Row], weights: Mapping[str, float]) -> list[float]:
    """Return a weight per row by its source; 1.0 where none is given."""
    return [weights.get(row.source, 1.0) for row in rows]
