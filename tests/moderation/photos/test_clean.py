"""What comes out is upright, small and holds pixels alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from moderation.photos import PhotoPipeline
from tests.moderation.photos.pictures import corners, decode, encode, shapes

SECRET = b"43.238949N 76.889709E Aigerim"
ORIENTATION, GPS_IFD, DESCRIPTION = 0x0112, 0x8825, 0x010E


def notes(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[DESCRIPTION] = SECRET.decode()
    exif.get_ifd(GPS_IFD).update({1: "N", 2: (43.0, 14.0, 20.2), 3: "E", 4: (76.0, 53.0, 22.9)})
    return exif


def full_of_notes(kind: str) -> bytes:
    options: dict[str, object] = {"exif": notes(), "icc_profile": b"profile " + SECRET}
    if kind == "JPEG":
        options |= {"comment": SECRET, "xmp": SECRET}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", SECRET.decode())
        texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options["pnginfo"] = texts
    if kind == "WEBP":
        options["xmp"] = SECRET
    return encode(shapes(), kind, **options) + b"PK\x03\x04" + SECRET


def segments(jpeg: bytes) -> list[int]:
    """The markers before the scan."""
    at, found = 2, []
    while jpeg[at + 1] != 0xDA:
        found.append(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_but_pixels_is_left(photos: PhotoPipeline, kind: str) -> None:
    dirty = full_of_notes(kind)
    assert SECRET in dirty

    clean = photos.judge(dirty).clean

    assert SECRET not in clean
    assert b"Exif" not in clean
    assert b"ICC" not in clean
    # JFIF's own, the tables, one baseline frame: no APP1..15, no comment.
    assert set(segments(clean)) <= {0xE0, 0xDB, 0xC0, 0xC4}
    assert clean.endswith(b"\xff\xd9")
    seen = decode(clean)
    assert (seen.format, seen.mode, dict(seen.getexif())) == ("JPEG", "RGB", {})
    assert not {"exif", "icc_profile", "comment", "xmp"} & seen.info.keys()


def test_the_test_above_can_fail() -> None:
    """Pillow itself carries notes over when it saves what it opened."""
    again = io.BytesIO()
    decode(full_of_notes("JPEG")).save(again, "JPEG")

    assert SECRET in again.getvalue()
    assert 0xFE in segments(again.getvalue())


UPRIGHT = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_what_was_turned_is_upright(photos: PhotoPipeline, kind: str, orientation: int) -> None:
    """The camera stored the scene turned the other way and said so."""
    turn = UPRIGHT[orientation]
    stored = corners() if turn is None else corners().transpose(turn)

    judged = photos.judge(encode(stored, kind, exif=notes(orientation)))

    seen = np.asarray(decode(judged.clean), dtype=int)
    assert seen.shape == (80, 120, 3)
    assert (judged.width, judged.height) == (120, 80)
    assert np.abs(seen[10:30, 10:50] - [255, 0, 0]).mean() < 8
    assert np.abs(seen[10:30, 70:110] - [0, 255, 0]).mean() < 8
    assert np.abs(seen[50:70, 70:110] - [0, 0, 255]).mean() < 8


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_passed_over(photos: PhotoPipeline, value: int) -> None:
    assert photos.judge(encode(corners(), exif=notes(value))).width == 120


@pytest.mark.parametrize(("size", "expected"), [((4000, 1000), (2048, 512)), ((30, 9000), (7, 2048)), ((8, 5), (8, 5))])
def test_no_side_is_longer_than_the_limit_and_nothing_grows(
    photos: PhotoPipeline, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    judged = photos.judge(encode(shapes(*size)))

    assert (judged.width, judged.height) == decode(judged.clean).size == expected


def test_what_is_transparent_becomes_white(photos: PhotoPipeline) -> None:
    ghost = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    grey = Image.new("LA", (40, 40), (0, 0))
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([0, 0, 0, 255, 255, 255])
    for data in (
        encode(ghost, "PNG"),
        encode(ghost, "WEBP", lossless=True),
        encode(grey, "PNG"),
        encode(palette, "PNG", transparency=0),
    ):
        assert np.asarray(decode(photos.judge(data).clean)).min() > 250


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK", "LA"])
def test_every_colour_model_gives_the_same_picture(photos: PhotoPipeline, mode: str) -> None:
    grey = shapes().convert("L")
    if mode == "I;16":
        data = encode(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG")
    else:
        data = encode(grey.convert("RGB").convert(mode), "JPEG" if mode == "CMYK" else "PNG")

    seen = np.asarray(decode(photos.judge(data).clean).convert("L").resize((16, 12), Image.Resampling.BOX), dtype=int)

    meant = np.asarray(grey.resize((16, 12), Image.Resampling.BOX), dtype=int)
    assert np.abs(seen - meant).mean() < 6


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_counts(photos: PhotoPipeline, kind: str) -> None:
    red, blue = Image.new("RGB", (60, 60), "red"), Image.new("RGB", (60, 60), "blue")
    moving = encode(red, kind, save_all=True, append_images=[blue] * 3, duration=50)

    middle = decode(photos.judge(moving).clean).getpixel((30, 30))

    assert isinstance(middle, tuple)
    assert middle[0] > 240
    assert middle[2] < 15
