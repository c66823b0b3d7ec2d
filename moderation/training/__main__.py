"""`python -m moderation.training --data FOLDER`: trains the linear model and writes its weights."""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import numpy as np
import numpy.typing as npt

from moderation.assembly import shipped_normaliser, shipped_signals
from moderation.classifiers.linear import save_linear
from moderation.codes import HEADS
from moderation.content import Content
from moderation.pipeline import Pipeline
from moderation.policy import load_policy
from moderation.training.augment import augmented
from moderation.training.fit import Head, extract, fit_head, inverse_document_frequency, matrix, pack
from moderation.training.rows import DataError, Row, known, read_extra, read_parquet, source_weights, with_weak_labels

NAME = "linear-2026.11"
BITS = 19
MIN_SEEN = 3
SEED = 20261122
AUGMENTED_SHARE = 0.12
EPOCHS = 6

_COMMENTS = (
    "jigsaw_train_binary",
    "jigsaw_train_6label",
    "jigsaw_train_neg",
    "wikidetox_1492",
    "wiki_context_gn",
    "wiki_context_gc",
)
_HATE = ("dynahate", "stormfront_vicomtech", "edos", "measuring_hate_speech", "hatemoji_build")
_RUSSIAN = ("ru_vk_distorted", "ru_vk_distorted_corrected")
# Hate sets say hateful or not, which is the business of `identity_attack`; for toxicity they only whisper.
TOXICITY_WEIGHTS = (
    dict.fromkeys(_COMMENTS, 3.0)
    | dict.fromkeys(_HATE, 0.03)
    | dict.fromkeys(_RUSSIAN, 5.0)
    | {"own": 6.0, "own_rough": 20.0}
)
OTHER_WEIGHTS = {"own": 4.0, "own_rough": 10.0, "identity_templates": 2.0}
# One comment in ten is toxic in the comment sets, one in two in the others.
TOXIC_COMMENT_WEIGHT = 3.0
ALPHA = {"toxicity": 8e-6}
DEFAULT_ALPHA = 3e-6


def row_weights(rows: Sequence[Row], head: str) -> npt.NDArray[np.float32]:
    """Return what each row counts for a head, shape [rows]."""
    if head != "toxicity":
        return np.array(source_weights(rows, OTHER_WEIGHTS), np.float32)
    weights = np.array(source_weights(rows, TOXICITY_WEIGHTS), np.float32)
    toxic_comments = [row.source in _COMMENTS and row.labels.get("toxicity") == 1 for row in rows]
    weights[toxic_comments] *= TOXIC_COMMENT_WEIGHT
    return weights


def held_out(rows: Sequence[Row]) -> npt.NDArray[np.bool_]:
    """A tenth, by the text itself: copies of one text never fall on both sides."""
    return np.array([zlib.crc32(row.text.lower().encode()) % 10 == 0 for row in rows])


def gather(data: Path) -> list[Row]:
    """Read everything, fill weak labels and add disguised copies."""
    policy = load_policy()
    rules = Pipeline(policy, shipped_signals(policy), None, shipped_normaliser())

    def codes_of(text: str) -> frozenset[str]:
        return frozenset(hit.code for hit in rules.judge(Content(text)).signals)

    rows = [*read_parquet(data / "train" / "toxicity_train.parquet"), *read_extra()]
    rows = with_weak_labels(rows, codes_of)
    return [*rows, *augmented(rows, AUGMENTED_SHARE, SEED)]


def train(data: Path, out: Path) -> None:
    """Train all heads on `data` and write the weights to `out`."""
    begun = monotonic()
    rows = gather(data)
    normaliser = shipped_normaliser()
    print(f"{len(rows)} rows read, {monotonic() - begun:.0f} s", flush=True)
    features = extract((normaliser.view(row.text).folded.text for row in rows), BITS)
    idf = inverse_document_frequency(features, BITS)
    everything = matrix(features, idf)
    apart = held_out(rows)
    print(f"{len(features.indices)} features, {monotonic() - begun:.0f} s", flush=True)
    heads: list[Head] = []
    for head in HEADS:
        numbers, labels = known(rows, head)
        heads.append(
            fit_head(
                everything[numbers],
                np.array(labels, np.int8),
                row_weights(rows, head)[numbers],
                apart[numbers],
                alpha=ALPHA.get(head, DEFAULT_ALPHA),
                epochs=EPOCHS,
                seed=SEED,
            )
        )
        print(f"{head}: {sum(labels)} of {len(labels)} positive, {monotonic() - begun:.0f} s", flush=True)
    seen = np.bincount(features.indices, minlength=1 << BITS) >= MIN_SEEN
    table, bias = pack(idf, seen, heads)
    save_linear(out, NAME, BITS, table, bias)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {monotonic() - begun:.0f} s")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m moderation.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/toxicity_train.parquet")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "data" / "linear.npz")
    chosen = parser.parse_args(argv)
    try:
        train(chosen.data, chosen.out)
    except DataError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
