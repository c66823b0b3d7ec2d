"""How much one photo may cost."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0.0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes, pixels and seconds; what is beyond them is refused before it is decoded, or dies while it is."""

    max_bytes: Count = 10_000_000
    max_pixels: Count = 25_000_000
    max_side: Count = 20_000
    # Of the cleaned photo: what a telephone shows, and what bounds the answer of the worker.
    clean_side: Annotated[int, Meta(ge=1, le=4096)] = 2048
    clean_quality: Annotated[int, Meta(ge=1, le=95)] = 85
    # Three times what the worst 25 megapixels need; the wall allows for a machine with other work.
    cpu_s: Count = 6
    wall_s: Seconds = 15.0
    # Address space of the worker, 250 MiB of which are libraries and the model.
    memory_bytes: Count = 1 << 30
    start_s: Seconds = 30.0
    # A worker ends after this many photos: leaks end, and nothing that took it over stays long.
    photos_per_worker: Count = 32
