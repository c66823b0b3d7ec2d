"""`python -m moderation.photos.measure`: what a photo costs, part by part, in this process and through a worker."""

from __future__ import annotations

import io
import resource
import sys
from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
from PIL import Image

from moderation.photos.bank import Bank, Known
from moderation.photos.clean import as_jpeg, clean_pixels
from moderation.photos.header import read_header
from moderation.photos.judge import PhotoPipeline
from moderation.photos.limits import Limits
from moderation.photos.nsfw import load_scorer
from moderation.photos.pdq import pdq

_ROUNDS = 5
_BANK = 100_000
_SIZES = {"2 megapixels": (1600, 1200), "12 megapixels": (4000, 3000), "25 megapixels": (5000, 5000)}


def _picture(width: int, height: int) -> Image.Image:
    """Smooth shapes with some noise: about as hard to decode as a photo."""
    dice = np.random.default_rng(0)
    shapes = Image.fromarray(dice.integers(0, 255, (24, 32, 3)).astype(np.uint8)).resize((width, height))
    noise = dice.integers(-6, 7, (height, width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(shapes, dtype=np.int16) + noise, 0, 255).astype(np.uint8))


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of the fastest of some rounds."""
    spent: list[float] = []
    for _ in range(_ROUNDS):
        begun = process_time()
        work()
        spent.append((process_time() - begun) * 1000)
    return min(spent)


def _part_by_part(name: str, data: bytes, limits: Limits) -> None:
    header, score = read_header(data, limits), load_scorer()
    image = clean_pixels(data, header, limits)
    parts: dict[str, Callable[[], object]] = {
        "decode and reduce": lambda: clean_pixels(data, header, limits),
        "encode": lambda: as_jpeg(image, limits),
        "hash": lambda: pdq(image),
        "score": lambda: score(image),
    }
    told = ", ".join(f"{part} {_ms(work):.0f} ms" for part, work in parts.items())
    print(f"{name} ({len(data) / 1e6:.1f} MB): {told} (CPU)")


def _bank() -> Bank:
    hashes = np.random.default_rng(1).integers(0, 256, (_BANK, 32)).astype(np.uint8)
    return Bank(Known(row.tobytes(), "other") for row in hashes)


def _through_a_worker(photos: PhotoPipeline, data: bytes) -> float:
    walls: list[float] = []
    for _ in range(_ROUNDS):
        begun = perf_counter()
        photos.judge(data)
        walls.append((perf_counter() - begun) * 1000)
    return min(walls)


def main() -> None:
    """Print the table."""
    limits = Limits()
    with PhotoPipeline() as photos:
        # First of all: the kernel counts what this process has when it starts a worker as the worker's memory.
        photos.judge(_jpeg(_picture(64, 64)))
        for name, (width, height) in _SIZES.items():
            data = _jpeg(_picture(width, height))
            _part_by_part(name, data, limits)
            print(f"  through a worker: {_through_a_worker(photos, data):.0f} ms (wall)")
    bank = _bank()
    print(f"bank of {_BANK:,}: {_ms(lambda: bank.find(bytes(32), 100)):.1f} ms (CPU)")
    scale = 1 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale / 2**20
    print(f"the worker at its most: {most:.0f} MiB resident")


if __name__ == "__main__":
    main()
