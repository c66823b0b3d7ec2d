"""Checkpoints are C2SP signed notes; only the right key for the right log opens one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.audit.note import NoteError, Signer, VerifierKey

SIGNER = Signer("example.com/audit", b"k" * 32)
ROOT = bytes(range(32))


def test_a_signed_checkpoint_opens_with_the_key_in_its_text_form():
    key = VerifierKey.parse(str(SIGNER.verifier))
    checkpoint = key.open(SIGNER.sign(12, ROOT))
    assert checkpoint == ("example.com/audit", 12, ROOT)


def test_the_key_and_the_note_have_the_form_that_c2sp_describes():
    # The example key of https://c2sp.org/signed-note.
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert (key.name, key.key_id.hex()) == ("PeterNeumann", "c74f20a3")
    lines = SIGNER.sign(7, ROOT).split("\n")
    assert lines[:4] == ["example.com/audit", "7", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert lines[4].startswith("— example.com/audit ")
    assert lines[5:] == [""]


def test_a_note_may_carry_the_signatures_of_witnesses():
    witness = Signer("witness.example/w", b"w" * 32)
    line = witness.sign(7, ROOT).split("\n")[4]
    assert SIGNER.verifier.open(SIGNER.sign(7, ROOT) + line + "\n").tree_size == 7


NOTE = SIGNER.sign(300, ROOT)


@given(st.integers(0, len(NOTE) - 1), st.sampled_from("0Aa+/\n é—"))
def test_a_note_with_any_other_letter_does_not_open(place: int, letter: str):
    changed = NOTE[:place] + letter + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises(NoteError):
            SIGNER.verifier.open(changed)


@pytest.mark.parametrize("name", ["", "two words", "a+b"])
def test_a_key_needs_a_name_that_fits_into_a_line(name: str):
    with pytest.raises(NoteError):
        Signer(name, b"k" * 32)


def test_another_key_of_the_same_name_opens_nothing():
    with pytest.raises(NoteError):
        Signer("example.com/audit", b"o" * 32).verifier.open(NOTE)


@pytest.mark.parametrize(
    "line", ["", "a+00000000+AAAA", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
)
def test_a_key_that_is_none_is_refused(line: str):
    with pytest.raises(NoteError):
        VerifierKey.parse(line)
