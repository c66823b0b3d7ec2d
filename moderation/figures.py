"""Figures of merit: area under the ROC curve with its interval, and shares with theirs; numpy only."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]
_Z95 = 1.96


def roc_auc(truth: Truth, scores: Scores) -> float:
    """Return the area under the ROC curve (ties count half); NaN if one class is missing."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return math.nan
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    _, group, count = np.unique(ordered, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks[order] = mean_rank[group]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC after Hanley and McNeil (1982)."""
    if math.isnan(auc):
        return math.nan, math.nan
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (first - auc**2) + (negatives - 1) * (second - auc**2)
    error = math.sqrt(max(spread, 0.0) / (positives * negatives))
    return max(0.0, auc - _Z95 * error), min(1.0, auc + _Z95 * error)


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share after Wilson (1927)."""
    if not count:
        return math.nan, math.nan
    share, square = hits / count, _Z95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = _Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, centre - half), min(1.0, centre + half)
