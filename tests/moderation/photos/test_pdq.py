"""PDQ: the reference's own bits, near for the same picture, far for another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from moderation.photos.pdq import pdq, pdq_of_pixels
from tests.moderation.photos.pictures import Pixels, decode, encode, scene

SAME = 31
# What the reference implementation (pdqhash 0.2.8) says of `waves(width, height, seed)`: hash and quality.
REFERENCE = [
    (64, 64, 3, "2aaad02ead555aaf95ea695592aa2d4ed2d58d2f185ab385266a6d56aacd4692", 100),
    (200, 150, 5, "5722e555aa9594a52d6dd349a6dbcd9b13334e62b8c263861e0e783e81f87fc0", 100),
    (640, 480, 40, "cd9b999333336633cc639ce330c6e1c6c78e0f0e3c1ef03c80fc03f8ffe0fc00", 100),
    (1001, 777, 90, "cee68cce19ce338ce79ccf1c9e3c3c3cf8f8e0f883f00fe07fc1fe01e001001f", 100),
    (33, 500, 9, "6caad56abb5a52d6a497c9a532a8654a9ad271b2c7543ce5e3891c33f1e60e1c", 100),
    (2048, 1100, 200, "f79ce71cce3c9e3c3c78f878f0f8c1f883f00ff13fc0ffc1fe03f0010003002f", 100),
]


def waves(width: int, height: int, seed: int) -> Pixels:
    """A pattern of whole numbers alone: the same bytes everywhere."""
    x, y = np.meshgrid(np.arange(width, dtype=np.int64), np.arange(height, dtype=np.int64))
    red = (x * x // (seed + 3) + y * (seed + 1)) % 256
    green = (x * y // (2 * seed + 5) + 7 * seed) % 256
    blue = ((x // (seed + 2)) ^ (y // (seed + 3))) % 256
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.mark.parametrize(("width", "height", "seed", "expected", "quality"), REFERENCE)
def test_it_says_what_the_reference_says(width: int, height: int, seed: int, expected: str, quality: int) -> None:
    bits, measured = pdq_of_pixels(waves(width, height, seed))

    # The last bits of sums of floats may differ from one processor to the next; frequencies at the median turn then.
    assert apart(bits, bytes.fromhex(expected)) <= 2
    assert measured == quality


CHANGES = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a thumbnail": lambda image: image.resize((96, 72)),
    "twice the size": lambda image: image.resize((image.width * 2, image.height * 2)),
    "another shape": lambda image: image.resize((300, 300)),
    "poor JPEG": lambda image: decode(encode(image, quality=15)),
    "WebP": lambda image: decode(encode(image, "WEBP", quality=30)).convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_stays_near(change: str) -> None:
    for seed in range(4):
        picture = scene(480, 360, seed)
        (before, quality), (after, _) = pdq(picture), pdq(CHANGES[change](picture))
        assert quality >= 50
        assert apart(before, after) <= SAME, seed


def test_other_pictures_are_far() -> None:
    hashes = [pdq(scene(160, 120, seed))[0] for seed in range(30)]

    nearest = min(apart(one, other) for place, one in enumerate(hashes) for other in hashes[:place])

    assert nearest > 2 * SAME


def test_a_turned_picture_is_another() -> None:
    picture = scene()

    assert apart(pdq(picture)[0], pdq(picture.transpose(Image.Transpose.ROTATE_90))[0]) > SAME


@pytest.mark.parametrize("colour", ["black", "white", "gray"])
def test_an_empty_picture_has_no_quality(colour: str) -> None:
    assert pdq(Image.new("RGB", (200, 100), colour))[1] == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
def test_any_size_has_a_hash(width: int, height: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)

    bits, quality = pdq_of_pixels(pixels)

    assert len(bits) == 32
    assert 0 <= quality <= 100
