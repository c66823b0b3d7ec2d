"""`python -m moderation` with photos."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from moderation import cli_main
from tests.moderation.photos.pictures import decode, encode, shapes

Lines = list[dict[str, object]]


def answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lines: Lines, *flags: str
) -> tuple[int, list[dict[str, dict[str, object]]]]:
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    status = cli_main([str(file), *flags])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_photos_and_texts_are_answered_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "cat.svg"
    photo.write_bytes(encode(shapes(), "PNG"))

    lines: Lines = [{"text": "hello"}, {"image": str(photo)}, {"text": "call +7 701 123 45 67"}]
    status, (hello, cat, call) = answers(capsys, tmp_path, lines)

    assert status == 0
    assert [hello["outcome"], cat["outcome"], call["outcome"]] == ["allow", "allow", "mask"]
    assert {"outcome", "flags", "labels", "signals", "policy", "model", "ms", "photo"} == cat.keys()
    assert cat["labels"].keys() == {"nsfw"}
    assert cat["photo"].keys() == {"width", "height", "pdq", "quality"}


def test_the_clean_photo_is_written_where_it_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "cat.jpg"
    photo.write_bytes(encode(shapes(), comment=b"secret"))

    status, (_, cat) = answers(capsys, tmp_path, [{"text": "a"}, {"image": str(photo)}], "--clean-to", str(tmp_path))

    assert status == 0
    clean = Path(str(cat["photo"]["clean"]))
    assert clean == tmp_path / "000002.jpg"
    assert b"secret" not in clean.read_bytes()
    assert decode(clean.read_bytes()).size == (320, 240)


def test_a_bad_photo_is_answered_with_its_code_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "drawing.jpg").write_text("<svg/>")
    (tmp_path / "half.jpg").write_bytes(encode(shapes())[:2000])
    (tmp_path / "long.jpg").write_bytes(bytes(10_000_001))
    names = ["no.jpg", "", "a\0b", "pipe.jpg", "empty.jpg", "drawing.jpg", "half.jpg", "long.jpg"]

    status, told = answers(
        capsys, tmp_path, [*({"image": str(tmp_path / name)} for name in names), {"image": "/dev/zero"}, {"text": "a"}]
    )

    assert status == 1
    assert [each["error"]["code"] for each in told[:-1]] == [
        "photo_unreadable",
        "photo_unreadable",
        "photo_unreadable",
        "photo_unreadable",
        "photo_empty",
        "photo_type_unsupported",
        "photo_broken",
        "photo_too_large",
        "photo_unreadable",
    ]
    assert [each["error"]["line"] for each in told[:-1]] == list(range(1, 10))
    assert told[-1]["outcome"] == "allow"


def test_a_bank_makes_photos_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, bank = tmp_path / "cat.jpg", tmp_path / "known.txt"
    photo.write_bytes(encode(shapes()))
    _, (before,) = answers(capsys, tmp_path, [{"image": str(photo)}])
    bank.write_text(f"tripwarden-photo-bank 1\n{before['photo']['pdq']} fraud\n")

    _, (after,) = answers(capsys, tmp_path, [{"image": str(photo)}], "--bank", str(bank))

    assert (before["outcome"], after["outcome"]) == ("allow", "quarantine")


def test_a_bad_bank_or_folder_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = tmp_path / "known.txt"
    bank.write_text("tripwarden-photo-bank 1\nzz fraud\n")

    assert cli_main(["--bank", str(bank)]) == 2
    assert cli_main(["--bank", str(tmp_path / "no.txt")]) == 2
    assert cli_main(["--clean-to", str(tmp_path / "nowhere")]) == 2
    said = capsys.readouterr().err
    assert "known.txt:2:1" in said
    assert "no.txt" in said
    assert "nowhere" in said
