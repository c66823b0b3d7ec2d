"""The export carries the whole log; whatever is changed in it, by whomever, the verifier sees it."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.audit.export import NothingSigned, export
from backend.audit.note import Signer
from backend.audit.verify_export import verify_export
from tests.backend.audit.writing import codes, fill, named

SIZE = 560


async def exported(db, audit, clock, signer, *, private: bool = True) -> bytes:
    out = io.BytesIO()
    if await db.pool.fetchval("SELECT count(*) FROM audit_checkpoint") == 0:
        await fill(db, audit, clock, signer, SIZE)
    await export(db, signer.verifier, out.write, private=audit.keys if private else None)
    return out.getvalue()


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    return {}


@pytest.fixture
async def file(kept, db, audit, clock, signer) -> bytes:
    """One export for the module; with the private halves."""
    if "file" not in kept:
        kept["file"] = await exported(db, audit, clock, signer)
    return kept["file"]


def judged(data: bytes, **options):
    return verify_export(io.BytesIO(data), **options)


async def test_an_export_verifies_with_nothing_but_the_key(file, signer):
    report = judged(file, key=signer.verifier)
    assert (report.exit_code, report.findings) == (0, [])
    assert report.counts == {"entries": SIZE, "checkpoints": 6, "producers": 1, "private open": SIZE}


async def test_an_export_without_private_halves_holds_no_id(file, db, audit, clock, signer):
    public = await exported(db, audit, clock, signer, private=False)
    assert judged(public, key=signer.verifier).exit_code == 0
    assert len(public) < len(file)
    assert b"private" not in public


async def test_without_a_key_the_verifier_says_which_one_it_believed(file, signer):
    (found,) = judged(file).findings
    assert (found.grade, str(signer.verifier) in found.text) == ("note", True)


async def test_an_export_signed_by_another_key_does_not_pass(file, signer):
    report = judged(file, key=Signer(signer.verifier.name, b"o" * 32).verifier)
    assert {"key_differs", "checkpoint_unsigned"} <= codes(report)
    assert report.exit_code == 1


async def test_any_flipped_byte_is_caught(file, signer):
    @given(st.integers(0, len(file) - 1), st.integers(1, 255))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(place: int, mask: int) -> None:
        changed = bytearray(file)
        changed[place] ^= mask
        assert judged(bytes(changed), key=signer.verifier).exit_code in (1, 2)

    check()


async def test_any_file_that_was_cut_off_is_incomplete_or_worse(file, signer):
    @given(st.integers(0, len(file) - 1))
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def check(length: int) -> None:
        assert judged(file[:length], key=signer.verifier).exit_code == 2

    check()


def resealed(lines: list[bytes]) -> bytes:
    """The file with the digest that fits: its writer knows how it is made."""
    from hashlib import sha256

    body = b"".join(line + b"\n" for line in lines)
    return body + b'{"sha256":"' + sha256(body).hexdigest().encode() + b'"}\n'


async def test_a_change_by_someone_who_mends_the_digest_is_caught_and_named(file, signer):
    lines = file.split(b"\n")[:-2]
    edited = [*lines]
    edited[1 + 123] = edited[1 + 123].replace(b'"ok"', b'"no"')
    swapped = [*lines]
    swapped[1 + 10], swapped[1 + 400] = swapped[1 + 400], swapped[1 + 10]
    tile = next(place for place, line in enumerate(lines) if line.startswith(b'{"hashes":'))
    bent = [*lines]
    bent[tile] = bent[tile].replace(
        b'{"hashes":"' + lines[tile][11:12], b'{"hashes":"' + (b"A" if lines[tile][11:12] != b"A" else b"B")
    )
    secret = next(place for place, line in enumerate(lines) if b'"private":' in line)
    told = [*lines]
    told[secret] = told[secret].replace(b'{"index":0', b'{"index":1')
    dropped = lines[: 1 + 300] + lines[1 + 301 :]
    dropped[0] = dropped[0].replace(b'"size":560', b'"size":559')
    for changed, found, indexes in (
        (edited, {"entry_edited"}, {123}),
        (swapped, {"entry_moved", "private_broken"}, {10, 400}),
        (bent, {"tile_changed"}, {0}),
        (told, {"private_broken"}, {1}),
    ):
        report = judged(resealed(changed), key=signer.verifier)
        assert (codes(report), named(report)) == (found, indexes)
    report = judged(resealed(dropped), key=signer.verifier)
    assert report.exit_code == 1
    assert 300 in named(report)


async def test_something_after_the_end_is_caught(file, signer):
    assert codes(judged(file + b"\n", key=signer.verifier)) == {"trailing_bytes"}


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"x" * 200_000, b"\x00" * 70_000 + b"\n"])
def test_what_is_no_export_is_refused_without_an_exception(data: bytes):
    assert judged(data).exit_code in (1, 2)


async def test_an_old_export_is_the_beginning_of_a_new_one(file, db, audit, clock, signer):
    old = await db.pool.fetchval("SELECT note FROM audit_checkpoint WHERE tree_size = 300")
    assert judged(file, key=signer.verifier, kept_elsewhere=[old]).exit_code == 0
    longer = signer.sign(SIZE + 40, bytes(32))
    assert judged(file, key=signer.verifier, kept_elsewhere=[longer]).exit_code == 1


async def test_a_log_that_nobody_signed_is_not_exported(empty_log, db, signer):
    with pytest.raises(NothingSigned):
        await export(db, signer.verifier, lambda _: None)
