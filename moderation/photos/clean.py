"""Decodes a photo and makes a clean JPEG of it. Runs in the worker only: the decoders see foreign bytes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from moderation.photos.chunks import picture_chunks
from moderation.photos.errors import PhotoError
from moderation.photos.header import Header
from moderation.photos.limits import Limits

_ORIENTATION = 0x0112  # Exif 2.32, table 4
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def clean_pixels(data: bytes, header: Header, limits: Limits) -> Image.Image:
    """Return the first frame upright in RGB on white, no side longer than `clean_side`, with nothing attached.

    Raises PhotoError: broken, or out of memory.
    """
    try:
        return _clean(data, header, limits)
    except PhotoError:
        raise
    except MemoryError:
        raise PhotoError("photo_out_of_memory") from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever hostile bytes make them raise
        raise PhotoError("photo_broken", f"the decoder says {type(error).__name__}") from None


def as_jpeg(image: Image.Image, limits: Limits) -> bytes:
    """Return the image as a baseline JPEG that carries pixels alone."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=limits.clean_quality)
    return out.getvalue()


def _clean(data: bytes, header: Header, limits: Limits) -> Image.Image:
    file = io.BytesIO(picture_chunks(data) if header.kind == "PNG" else data)
    with Image.open(file, formats=[header.kind]) as image:
        if image.size != (header.width, header.height):
            raise PhotoError("photo_broken", "it says two different sizes")
        turn = _turn(image)
        size = _bounded(image.size, limits.clean_side)
        # Decodes a JPEG at half, a quarter or an eighth of its size, if that is still enough.
        image.draft(None, size)
        image.load()
        upright = _on_white(_eight_bits(image)).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if turn is not None:
        upright = upright.transpose(turn)
    # Exif, profiles and comments live here; Pillow would write some of them out again.
    upright.info.clear()
    return upright


def _bounded(size: tuple[int, int], longest: int) -> tuple[int, int]:
    share = min(1.0, longest / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a photo with unreadable notes is still a photo
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGB", seen.size, "white")
        white.paste(seen, mask=seen.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
