"""PDQ: the 256-bit perceptual hash of Facebook's ThreatExchange ("hashing.pdf", 2019), in numpy.

Luminance, two passes of a box filter along rows and columns (a "Jarosz" filter, nearly a tent), 64 x 64 samples, the
16 x 16 lowest frequencies of their cosine transform but for the constant ones, and one bit for each: above the median
or not.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
_SAMPLES = 64
_KEPT = 16
_PASSES = 2


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """Return (hash, quality 0..100) of an image; 32 bytes, the last frequencies first, as others write it in hex.

    A quality under 50 means that the picture has too little in it (a plain wall) for the hash to say anything.
    """
    return pdq_of_pixels(np.asarray(image.convert("RGB"), dtype=np.uint8))


def pdq_of_pixels(pixels: npt.NDArray[np.uint8]) -> tuple[bytes, int]:
    """Return (hash, quality) of [height x width x 3] RGB pixels."""
    luma = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    samples = (_filter(luma.shape[0]) @ luma @ _filter(luma.shape[1]).T).astype(np.float32)
    return _bits(samples), _quality(samples)


def _filter(side: int) -> Floats:
    """[64 x side]: what each sample takes of each pixel. The passes are linear, so they fold into one product."""
    box = _box(side)
    return box[_centres(side)] @ np.linalg.matrix_power(box, _PASSES - 1)


def _box(side: int) -> Floats:
    """[side x side]: the mean over half of what one sample stands for; an even window leans on, edges have less."""
    window = (side + 2 * _SAMPLES - 1) // (2 * _SAMPLES)
    pixel = np.arange(side)
    after = np.minimum(pixel + (window + 2) // 2, side)[:, None]
    before = np.maximum(pixel + (window + 2) // 2 - window, 0)[:, None]
    return ((pixel >= before) & (pixel < after)).astype(np.float32) / (after - before).astype(np.float32)


def _centres(side: int) -> npt.NDArray[np.intp]:
    return ((np.arange(_SAMPLES) + 0.5) * side / _SAMPLES).astype(np.intp)


def _transform() -> Floats:
    """Rows 1..16 of the 64-point DCT-II."""
    frequency, sample = np.arange(1, _KEPT + 1)[:, None], np.arange(_SAMPLES)[None, :]
    waves = np.cos(math.pi / (2 * _SAMPLES) * frequency * (2 * sample + 1))
    return (math.sqrt(2 / _SAMPLES) * waves).astype(np.float32)


def _bits(samples: Floats) -> bytes:
    waves = _transform()
    powers = (waves @ samples @ waves.T).ravel()
    lower_median = np.partition(powers, powers.size // 2 - 1)[powers.size // 2 - 1]
    return np.packbits((powers > lower_median)[::-1]).tobytes()


def _quality(samples: Floats) -> int:
    """How much the samples differ from their neighbours; each step counts in whole hundredths of the full range."""
    steps = sum(int(np.abs(np.trunc(np.diff(samples, axis=axis) * 100 / 255)).sum()) for axis in (0, 1))
    return min(100, steps // 90)
