"""The fast linear model: hashed n-grams times weights, about 25 us a message."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from moderation.classifiers.features import MAX_FEATURES, distinct, hashes
from moderation.codes import HEADS

WEIGHTS = "data/linear.npz"


class WeightsError(RuntimeError):
    """Weights that are missing or not of this model; says the file and what is wrong."""


class Header(msgspec.Struct, frozen=True):
    """What the weight file says of itself."""

    name: str
    bits: int
    heads: tuple[str, ...]


class LinearModel:
    """Logistic regression heads over one shared table of shape [2**bits, 1 + heads], float32.

    Column 0 holds idf squared: the sum of its rows is the squared length of the tf-idf vector, so that one gather
    gives the cosine-normalised margin of every head. Thread-safe: nothing is written after construction.
    """

    def __init__(self, header: Header, table: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> None:
        if table.shape != (1 << header.bits, 1 + len(header.heads)) or bias.shape != (len(header.heads),):
            raise WeightsError(f"weights of {header.name} have the shape {table.shape}, {bias.shape}")
        self.name = header.name
        self.heads = header.heads
        self._shift = np.uint32(32 - header.bits)
        self._table = table
        self._bias = bias
        self._ones = np.ones(MAX_FEATURES, np.float32)

    def scores(self, text: str) -> dict[str, float]:
        """Return head -> probability for a folded text."""
        margins = self.margins(text)
        return dict(zip(self.heads, (1.0 / (1.0 + np.exp(-margins))).tolist(), strict=True))

    def margins(self, text: str) -> npt.NDArray[np.float32]:
        """Return the calibrated log-odds, shape [heads]."""
        rows = self._table.take(distinct(hashes(text)) >> self._shift, axis=0)
        sums = self._ones[: len(rows)] @ rows
        return sums[1:] / np.sqrt(sums[0] + 1e-6) + self._bias


def load_linear(path: str | Path | None = None) -> LinearModel:
    """Read weights, by default the shipped ones. Raises WeightsError."""
    try:
        raw = Path(path).read_bytes() if path else resources.files("moderation").joinpath(WEIGHTS).read_bytes()
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            header = msgspec.json.decode(stored["header"].tobytes(), type=Header)
            scale = stored["scale"].astype(np.float32)
            table = stored["table"].astype(np.float32) * scale
            return LinearModel(header, table, stored["bias"].astype(np.float32))
    except (OSError, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise WeightsError(f"{path or WEIGHTS}: {error}") from error


def save_linear(
    path: Path, name: str, bits: int, table: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> None:
    """Write weights compactly: 16-bit steps per column, compressed; see `load_linear`."""
    scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / 32767
    steps = np.rint(table / scale).astype(np.int16)
    header = msgspec.json.encode(Header(name, bits, HEADS))
    np.savez_compressed(
        path,
        header=np.frombuffer(header, np.uint8),
        table=steps,
        scale=scale.astype(np.float32),
        bias=bias.astype(np.float32),
    )
