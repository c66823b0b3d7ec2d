"""Files that mean harm: a code, soon, whatever they are; and the worker goes on with the next."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from moderation.photos import PHOTO_CODES, PhotoError, PhotoPipeline
from tests.moderation.photos.pictures import decode, encode, jpeg_frame_of, png, png_chunk, resized_header, shapes

# Far above what they need on a busy machine, far below the limit of the worker.
SOON_S = 5.0
JPEG, PNG, WEBP = encode(shapes()), encode(shapes(), "PNG"), encode(shapes(), "WEBP")
LOSSLESS = encode(shapes(64, 48), "WEBP", lossless=True)
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def broken_sum(data: bytes) -> bytes:
    at = data.index(b"IDAT") + 20
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def outcome(photos: PhotoPipeline, data: bytes) -> str:
    begun = time.monotonic()
    try:
        code = photos.judge(data).verdict.outcome
    except PhotoError as error:
        code = error.code
    assert time.monotonic() - begun < SOON_S
    return code


NO_FRAME = JPEG[: jpeg_frame_of(JPEG)] + b"\xff\xda\x00\x02"
ENDLESS_TEXT = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 50_000_000, 9))
VP8X_CANVAS = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\xff\xff\xff\xff"
HOSTILE = {
    "nothing": (b"", "photo_empty"),
    "one byte": (b"\xff", "photo_type_unsupported"),
    "10,000,001 bytes": (JPEG + bytes(10_000_001 - len(JPEG)), "photo_too_large"),
    "SVG called photo.jpg": (SVG, "photo_type_unsupported"),
    "GIF": (encode(shapes(), "GIF"), "photo_type_unsupported"),
    "BMP": (encode(shapes(), "BMP"), "photo_type_unsupported"),
    "TIFF": (encode(shapes(), "TIFF"), "photo_type_unsupported"),
    "PDF around a JPEG": (b"%PDF-1.4\n" + JPEG, "photo_type_unsupported"),
    "RIFF of sound": (b"RIFF" + struct.pack("<I", 100) + b"WAVEfmt " + bytes(100), "photo_type_unsupported"),
    "JPEG magic alone": (b"\xff\xd8\xff", "photo_broken"),
    "PNG magic alone": (b"\x89PNG\r\n\x1a\n", "photo_broken"),
    "WebP magic alone": (b"RIFF\x10\0\0\0WEBP", "photo_broken"),
    "JPEG without a frame": (NO_FRAME, "photo_broken"),
    "JPEG of 0xFF alone": (b"\xff\xd8" + b"\xff" * 1_000_000, "photo_broken"),
    "JPEG of impossible segments": (b"\xff\xd8" + b"\xff\xe0\0\0" * 2_000_000, "photo_broken"),
    "JPEG of empty segments": (b"\xff\xd8" + b"\xff\xe0\0\2" * 2_000_000, "photo_broken"),
    "JPEG of lone markers": (b"\xff\xd8" + b"\xff\x01" * 4_000_000, "photo_broken"),
    "half a JPEG": (JPEG[: len(JPEG) // 2], "photo_broken"),
    "half a PNG": (PNG[: len(PNG) // 2], "photo_broken"),
    "half a WebP": (WEBP[: len(WEBP) // 2], "photo_broken"),
    "PNG without an end": (PNG[:-12], "photo_broken"),
    "PNG with a wrong checksum": (broken_sum(PNG), "photo_broken"),
    "PNG of zero pixels": (png(0, 10), "photo_broken"),
    "JPEG of zero lines": (resized_header(JPEG, 320, 0), "photo_broken"),
    # Browsers show such a one too, as far as it goes.
    "JPEG that says it is larger": (resized_header(JPEG, 4000, 4000), "allow"),
    "PNG with too little data": (png(5000, 5000, zlib.compress(b"\0" * 5001)), "photo_broken"),
    "PNG bomb, 50,000 x 50,000": (png(50_000, 50_000, zlib.compress(b"\0" * 10**6)), "photo_too_many_pixels"),
    "PNG, 2^31 wide": (png(2**31 - 1, 1, zlib.compress(b"\0")), "photo_too_many_pixels"),
    "PNG, 20,001 x 1": (png(20_001, 1), "photo_too_many_pixels"),
    "PNG, 25,000,001 pixels": (png(5001, 5000, b""), "photo_too_many_pixels"),
    "JPEG, 65,535 x 65,535": (resized_header(JPEG, 65_535, 65_535), "photo_too_many_pixels"),
    "WebP with a canvas of 2^48": (b"RIFF" + struct.pack("<I", 22) + b"WEBP" + VP8X_CANVAS, "photo_too_many_pixels"),
    "PNG of nothing but chunks": (PNG[:33] + png_chunk(b"tEXt", b"") * 200_000, "photo_broken"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_answered_with_its_code_and_the_worker_lives(photos: PhotoPipeline, name: str) -> None:
    data, code = HOSTILE[name]

    assert outcome(photos, data) == code
    assert outcome(photos, LOSSLESS) == "allow"


def test_a_photo_with_something_behind_it_comes_out_alone(photos: PhotoPipeline) -> None:
    for data in (JPEG, PNG, WEBP):
        clean = photos.judge(data + b"PK\x03\x04<script>alert(1)</script>").clean
        assert b"script" not in clean
        assert decode(clean).size == (320, 240)


def test_texts_that_unpack_to_gigabytes_are_never_unpacked(photos: PhotoPipeline) -> None:
    assert outcome(photos, png(64, 64, before=ENDLESS_TEXT * 20)) == "allow"


def test_the_greatest_that_is_allowed_passes(photos: PhotoPipeline) -> None:
    """25 megapixels with an alpha channel, the costliest picture for its bytes; and the longest side."""
    clear = Image.new("RGBA", (5000, 5000), (10, 200, 30, 90))
    assert photos.judge(encode(clear, "PNG", compress_level=1)).width == 2048
    assert photos.judge(png(20_000, 1)).height == 1


def test_a_photo_in_a_photo_counts_once(photos: PhotoPipeline) -> None:
    """A phone's "multi-picture" JPEG: the second picture is dropped."""
    file = io.BytesIO()
    shapes().save(file, "MPO", save_all=True, append_images=[shapes(100, 100, seed=1)])

    assert photos.judge(file.getvalue()).width == 320


@pytest.mark.parametrize("data", [JPEG, PNG, WEBP, LOSSLESS], ids=["jpeg", "png", "webp", "lossless"])
def test_a_photo_cut_anywhere_gives_a_verdict_or_a_code(photos: PhotoPipeline, data: bytes) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(data)))
    @example(len(data) - 1)
    @example(12)
    def cut(at: int) -> None:
        assert outcome(photos, data[:at]) in {"allow", *PHOTO_CODES} - {"photo_failed"}

    cut()


@pytest.mark.parametrize("data", [JPEG, PNG, WEBP, LOSSLESS], ids=["jpeg", "png", "webp", "lossless"])
def test_a_photo_with_any_bytes_changed_gives_a_verdict_or_a_code(photos: PhotoPipeline, data: bytes) -> None:
    places = st.one_of(st.integers(0, 60), st.integers(0, len(data) - 1))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8))
    def mutate(changes: list[tuple[int, int]]) -> None:
        changed = bytearray(data)
        for place, value in changes:
            changed[place] = value
        known = {"allow", "quarantine", *PHOTO_CODES} - {"photo_failed", "photo_out_of_time"}
        assert outcome(photos, bytes(changed)) in known

    mutate()
