"""Training learns from a handful of rows what a handful of rows can teach, and its figures are right."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from moderation.classifiers.linear import LinearModel, load_linear, save_linear
from moderation.codes import HEADS
from moderation.figures import auc_interval, roc_auc, share_interval
from moderation.training.augment import augmented, glue, star, swap
from moderation.training.fit import extract, fit_head, inverse_document_frequency, matrix, pack
from moderation.training.rows import DataError, Row, read_extra, read_parquet, with_weak_labels
from moderation.training.vocabulary import count_words

BITS = 18


def trained(tmp_path: Path) -> LinearModel:
    pytest.importorskip("sklearn", reason="the extra `dev` (scikit-learn) is not installed")
    chance = random.Random(1)
    kind = ["waiting at the gate", "see you soon", "thank you driver", "white car near the shop", "two minutes please"]
    rude = ["you nasty clown", "what a nasty driver", "clown of a driver", "nasty nasty man", "you are a clown"]
    texts = [f"{chance.choice(kind)} {n}" for n in range(150)] + [f"{chance.choice(rude)} {n}" for n in range(150)]
    labels = np.array([0] * 150 + [1] * 150, np.int8)
    features = extract(texts, BITS)
    idf = inverse_document_frequency(features, BITS)
    apart = np.arange(300) % 5 == 0
    head = fit_head(matrix(features, idf), labels, np.ones(300, np.float32), apart, alpha=1e-4, epochs=5, seed=1)
    table, bias = pack(idf, np.ones(1 << BITS, np.bool_), [head] * len(HEADS))
    save_linear(tmp_path / "w.npz", "small", BITS, table, bias)
    return load_linear(tmp_path / "w.npz")


def test_a_trained_model_tells_unseen_rude_from_unseen_kind(tmp_path: Path) -> None:
    model = trained(tmp_path)

    assert model.scores("such a nasty clown today")["toxicity"] > 0.8
    assert model.scores("thank you, see you at the gate")["toxicity"] < 0.2


def test_weak_labels_fill_only_what_is_unknown() -> None:
    rows = [
        Row("a", "s", {"toxicity": 1}),
        Row("b", "s", {"toxicity": 0}),
        Row("c", "s", {"toxicity": 1, "insult": 0}),
        Row("d", "s", {}),
    ]

    filled = with_weak_labels(rows, lambda text: frozenset(("keyword_insult",)))

    assert [row.labels.get("insult") for row in filled] == [1, 0, 0, None]
    assert filled[1].labels["threat"] == 0


def test_our_own_rows_are_marked_as_such() -> None:
    rows = list(read_extra())

    assert len(rows) > 300
    assert all(row.source.startswith("own") for row in rows)


def test_disguises_touch_both_labels_alike() -> None:
    rows = [Row(f"some ordinary words {n}", "s", {"toxicity": n % 2}) for n in range(400)]
    disguised = list(augmented(rows, 0.5, seed=3))

    assert 150 < len(disguised) < 250
    assert 60 < sum(row.labels["toxicity"] for row in disguised) < 140


def test_each_disguise_does_what_it_says() -> None:
    chance = random.Random(1)

    assert glue("come to me", chance) == "cometome"
    assert star("stupid", chance).count("*") == 1
    assert sorted(swap("stupid", chance)) == sorted("stupid")
    assert swap("stupid", chance) != "stupid"


def test_common_words_are_counted_once_a_text() -> None:
    texts = ["wait here please"] * 30 + ["rare rare rare rare"] * 5 + ["wait"]

    assert count_words(texts) == ["wait", "here", "please"]


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.parquet"):
        read_parquet(tmp_path / "none.parquet")


def test_the_area_under_the_curve_counts_ties_half() -> None:
    truth = np.array([True, True, False, False])

    assert roc_auc(truth, np.array([0.9, 0.8, 0.2, 0.1])) == 1.0
    assert roc_auc(truth, np.array([0.1, 0.2, 0.8, 0.9])) == 0.0
    assert roc_auc(truth, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert math.isnan(roc_auc(np.array([True]), np.array([1.0])))


def test_intervals_hold_their_value_and_narrow_with_more_rows() -> None:
    low, high = auc_interval(0.9, 100, 100)
    assert low < 0.9 < high
    assert auc_interval(0.9, 1000, 1000)[0] > low
    low, high = share_interval(0, 1000)
    assert low == 0.0
    assert 0.003 < high < 0.005
