"""The linear model: hand-made weights give the scores one can work out; broken weights are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moderation.classifiers.features import MAX_CHARS, MAX_FEATURES, distinct, hashes
from moderation.classifiers.linear import Header, LinearModel, WeightsError, load_linear, save_linear
from moderation.codes import HEADS

BITS = 18


def small_model() -> LinearModel:
    table = np.zeros((1 << BITS, 1 + len(HEADS)), np.float32)
    table[:, 0] = 4.0
    word = distinct(hashes("stupid")) >> np.uint32(32 - BITS)
    table[word, 1] = 2.0
    return LinearModel(Header("hand", BITS, HEADS), table, np.full(len(HEADS), -1.0, np.float32))


def test_the_score_is_the_logistic_of_the_normalised_sum() -> None:
    features = len(distinct(hashes("stupid")))
    expected = 1 / (1 + np.exp(-(2.0 * features / np.sqrt(4.0 * features) - 1.0)))

    scores = small_model().scores("stupid")

    assert scores["toxicity"] == pytest.approx(expected, rel=1e-4)
    assert scores["insult"] == pytest.approx(1 / (1 + np.exp(1.0)), rel=1e-4)


@pytest.mark.parametrize("text", ["", "a", "ab", "\ud800", "я", "x" * (MAX_CHARS * 3), "a b " * MAX_CHARS])
def test_any_length_gets_probabilities(text: str) -> None:
    scores = small_model().scores(text)

    assert set(scores) == set(HEADS)
    assert all(0.0 < score < 1.0 for score in scores.values())
    assert len(hashes(text)) <= MAX_FEATURES


def test_a_repeated_feature_counts_once() -> None:
    once, often = distinct(hashes("no no")), distinct(hashes("no no no no no no"))

    assert len(often) == len(once) + 3 or set(once) <= set(often)
    assert len(set(often.tolist())) == len(often)


def test_weights_survive_being_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "w.npz"
    generator = np.random.default_rng(1)
    table = generator.normal(size=(1 << BITS, 1 + len(HEADS))).astype(np.float32)
    table[:, 0] = np.abs(table[:, 0]) + 1
    bias = generator.normal(size=len(HEADS)).astype(np.float32)
    save_linear(file, "round", BITS, table, bias)

    read = load_linear(file)

    assert read.name == "round"
    original = LinearModel(Header("round", BITS, HEADS), table, bias)
    assert list(read.scores("hello there").values()) == pytest.approx(
        list(original.scores("hello there").values()), abs=1e-3
    )


def test_weights_that_are_missing_or_broken_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"nothing")

    with pytest.raises(WeightsError, match=r"broken\.npz"):
        load_linear(broken)
    with pytest.raises(WeightsError, match=r"none\.npz"):
        load_linear(tmp_path / "none.npz")


def test_the_shipped_weights_are_small_and_know_a_swear_word() -> None:
    model = load_linear()

    assert model.scores("you are a fucking idiot")["toxicity"] > 0.9
    assert model.scores("i am at the main entrance")["toxicity"] < 0.3
