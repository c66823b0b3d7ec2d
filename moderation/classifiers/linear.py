"""The fast linear model (weights not trained yet)."""

from __future__ import annotations


def load_linear() -> None:
    """No weights yet."""
    return
