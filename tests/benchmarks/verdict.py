"""The cost of one verdict: the shipped pipeline over everyday ride chat and over toxic comments."""

from __future__ import annotations

import statistics
import time

import msgspec

from moderation import Content, Pipeline, default_pipeline
from tests.benchmarks.machine import REPOSITORY

EVALUATION = REPOSITORY.parent / "shared" / "data" / "eval"
SAMPLE = 1_500
REPEATS = 5


class Verdicts(msgspec.Struct, kw_only=True):
    """CPU of one verdict in us: `mean` is the median of the repeats' means, percentiles are over the texts.

    `outcomes` says what the texts were judged to be: a judge that looked at nothing would be fast."""

    texts: str
    count: int
    mean: float
    p50: float
    p99: float
    outcomes: dict[str, int]


def measure(*, repeats: int = REPEATS) -> list[Verdicts]:
    """Measure both kinds of text. Raises FileNotFoundError without `../shared/data`."""
    pipeline = default_pipeline()
    return [
        _measure(pipeline, "ride chat, benign", _texts("benign_ride.parquet", toxic=False), repeats),
        _measure(pipeline, "comments, toxic", _texts("jigsaw_test.parquet", toxic=True), repeats),
    ]


def _texts(name: str, *, toxic: bool) -> list[str]:
    from pyarrow import parquet

    table = parquet.read_table(EVALUATION / name, columns=["text", "toxicity"])  # pyright: ignore
    rows = [(row["text"], row["toxicity"]) for row in table.to_pylist()]
    fitting = [text for text, toxicity in rows if bool(toxicity) is toxic]
    step = max(1, len(fitting) // SAMPLE)
    return fitting[::step][:SAMPLE]


def _measure(pipeline: Pipeline, name: str, texts: list[str], repeats: int) -> Verdicts:
    contents = [Content(text, "en") for text in texts]
    outcomes: dict[str, int] = {}
    for content in contents:
        outcome = pipeline.judge(content).outcome
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    means: list[float] = []
    best = [float("inf")] * len(contents)
    for _ in range(repeats):
        begun = time.thread_time_ns()
        for place, content in enumerate(contents):
            before = time.thread_time_ns()
            pipeline.judge(content)
            best[place] = min(best[place], (time.thread_time_ns() - before) / 1000)
        means.append((time.thread_time_ns() - begun) / 1000 / len(contents))
    ordered = sorted(best)
    return Verdicts(
        texts=name,
        count=len(contents),
        mean=round(statistics.median(means), 1),
        p50=round(ordered[len(ordered) // 2], 1),
        p99=round(ordered[int(len(ordered) * 0.99)], 1),
        outcomes=outcomes,
    )
