"""Fits the heads: tf-idf of hashed features, scaled by log-count ratios, logistic regression by averaged SGD, Platt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from moderation.classifiers.features import distinct, hashes
from moderation.untyped import untyped

# scikit-learn and scipy carry no types of their own; what leaves this module has some.
Matrix: TypeAlias = Any
Floats: TypeAlias = npt.NDArray[np.float32]
Labels: TypeAlias = npt.NDArray[np.int8]


class Features(NamedTuple):
    """Features of many texts: CSR index arrays, [number of values] and [texts + 1]."""

    indices: npt.NDArray[np.int32]
    pointers: npt.NDArray[np.int64]


class Head(NamedTuple):
    """One fitted head: weights per bucket on plain tf-idf values, and a bias; calibrated."""

    weights: Floats
    bias: float


def extract(texts: Iterable[str], bits: int) -> Features:
    """Hash texts (folded readings) into 2**bits buckets."""
    shift = np.uint32(32 - bits)
    parts = [(distinct(hashes(text)) >> shift).astype(np.int32) for text in texts]
    pointers = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=pointers[1:])
    return Features(np.concatenate(parts), pointers)


def inverse_document_frequency(features: Features, bits: int) -> Floats:
    """Return ln((1+n)/(1+df)) + 1 per bucket, as scikit-learn's smooth idf; shape [2**bits]."""
    frequency = np.bincount(features.indices, minlength=1 << bits)
    count = len(features.pointers) - 1
    return (np.log((1 + count) / (1 + frequency)) + 1).astype(np.float32)


def matrix(features: Features, idf: Floats, scale: Floats | None = None) -> Matrix:
    """Return the CSR matrix [texts, buckets] of cosine-normalised tf-idf, times `scale` per bucket."""
    sparse = untyped("scipy.sparse")
    values = idf[features.indices]
    lengths = np.diff(features.pointers)
    squares = np.add.reduceat(np.append(values.astype(np.float64) ** 2, 0.0), features.pointers[:-1])
    norms = np.sqrt(np.where(lengths > 0, squares, 1.0)).astype(np.float32)
    values /= np.repeat(norms, lengths)
    if scale is not None:
        values *= scale[features.indices]
    return sparse.csr_matrix((values, features.indices, features.pointers), shape=(len(lengths), len(idf)))


def ratio_scale(data: Matrix, labels: Labels, weights: Floats, power: float = 0.5) -> Floats:
    """Return |log-count ratio| ** power per bucket, mean 1 (Wang & Manning 2012, "Baselines and Bigrams")."""
    positive = data.T @ (weights * (labels == 1)) + 1.0
    negative = data.T @ (weights * (labels == 0)) + 1.0
    ratio = np.abs(np.log((positive / positive.sum()) / (negative / negative.sum()))) ** power
    return (ratio / ratio.mean()).astype(np.float32)


def fit_head(
    data: Matrix, labels: Labels, weights: Floats, held_out: npt.NDArray[np.bool_], alpha: float, epochs: int, seed: int
) -> Head:
    """Fit one head and calibrate it on the rows of `held_out`; `data` is plain tf-idf."""
    linear = untyped("sklearn.linear_model")
    train = ~held_out
    scale = ratio_scale(data[train], labels[train], weights[train])
    scaled = _times(data, scale)
    model = linear.SGDClassifier(
        loss="log_loss", alpha=alpha, max_iter=epochs, tol=None, average=True, random_state=seed
    )
    model.fit(scaled[train], labels[train], sample_weight=weights[train])
    margins = model.decision_function(scaled[held_out]).reshape(-1, 1)
    platt = linear.LogisticRegression(C=1e6).fit(margins, labels[held_out])
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    coefficients = np.asarray(model.coef_[0]) * scale * slope
    return Head(coefficients.astype(np.float32), float(model.intercept_[0]) * slope + offset)


def _times(data: Matrix, scale: Floats) -> Matrix:
    scaled = data.copy()
    scaled.data *= scale[data.indices]
    return scaled


def pack(idf: Floats, seen: npt.NDArray[np.bool_], heads: Sequence[Head]) -> tuple[Floats, Floats]:
    """Return (table [buckets, 1 + heads], bias [heads]) for `LinearModel`; buckets seen too rarely weigh nothing."""
    columns = [idf**2, *(np.where(seen, idf * head.weights, 0.0) for head in heads)]
    return np.stack(columns, axis=1).astype(np.float32), np.array([head.bias for head in heads], np.float32)
