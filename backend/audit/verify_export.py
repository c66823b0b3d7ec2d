"""Verifying an export: one file, no network, no database."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO

import msgspec

from backend.audit.export import FORMAT, VERSION, CheckpointLine, EndLine, Header, PrivateLine, TileLine, encode_line
from backend.audit.leaf import COMMITMENT_BYTES, SALT_BYTES, commit
from backend.audit.note import NoteError, VerifierKey
from backend.audit.report import Report
from backend.audit.tiles import Tile
from backend.audit.verify import Anchors, LogCheck

#: No line of an export is longer: the longest are tiles (11 kB) and private parts.
MAX_LINE_BYTES = 64 * 1024
_NEWLINE = b"\n"

_header = msgspec.json.Decoder(Header)
_end = msgspec.json.Decoder(EndLine)
_KINDS: tuple[tuple[bytes, msgspec.json.Decoder[TileLine | CheckpointLine | PrivateLine]], ...] = (
    (b'{"hashes":', msgspec.json.Decoder(TileLine)),
    (b'{"checkpoint":', msgspec.json.Decoder(CheckpointLine)),
    (b'{"index":', msgspec.json.Decoder(PrivateLine)),
)


class _Broken(Exception):
    """The file is not in the form of an export; carries the sentence."""


class _Ends(Exception):
    """The file ends too early."""


class _ExportReader:
    """Reads an export once, from the first line to the last."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._file, self._report, self._digest = file, report, sha256()
        self.tiles: dict[Tile, bytes] = {}
        self.notes: list[str] = []
        self.private: list[tuple[int, bytes]] = []

    def header(self) -> Header:
        """The first line. Raises `_Broken` or `_Ends`."""
        line = self._line()
        try:
            header = _header.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _Broken(f"the first line is not that of an export: {error}") from error
        if (header.format, header.version) != (FORMAT, VERSION) or encode_line(header) != line or header.size < 0:
            raise _Broken("the first line is not that of an export of this form")
        return header

    def leaves(self, size: int) -> Iterator[bytes]:
        for _ in range(size):
            yield self._line()

    def rest(self) -> None:
        """Everything after the leaves. Raises `_Broken` or `_Ends`."""
        while True:
            before = self._digest.copy()
            line = self._line()
            if line.startswith(b'{"sha256":'):
                return self._finish(line, before.hexdigest())
            self._take(line)

    def _take(self, line: bytes) -> None:
        for start, decoder in _KINDS:
            if line.startswith(start):
                try:
                    found = decoder.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise _Broken(f"a line cannot be read: {error}") from error
                if encode_line(found) != line:
                    raise _Broken("a line is not in its one form")
                return self._keep(found)
        raise _Broken("there is a line of an unknown kind")

    def _keep(self, found: TileLine | CheckpointLine | PrivateLine) -> None:
        if isinstance(found, CheckpointLine):
            self.notes.append(found.checkpoint)
        elif isinstance(found, TileLine):
            if (found.level, found.index) in self.tiles:
                raise _Broken(f"tile {found.index} of level {found.level} is there twice")
            self.tiles[(found.level, found.index)] = _bytes(found.hashes)
        else:
            self.private.append((found.index, _bytes(found.private)))

    def _finish(self, line: bytes, digest: str) -> None:
        expected = encode_line(EndLine(digest))
        if line != expected:
            self._report.add("tampered", "digest_differs", "the file is not as it was written: its digest differs")
        if self._file.read(1):
            self._report.add("tampered", "trailing_bytes", "something follows after the end of the export")

    def _line(self) -> bytes:
        line = self._file.readline(MAX_LINE_BYTES + 1)
        self._digest.update(line)
        if line[-1:] != _NEWLINE:
            if len(line) > MAX_LINE_BYTES:
                raise _Broken("a line is longer than any line of an export")
            raise _Ends
        return line[:-1]


def verify_export(file: BinaryIO, *, key: VerifierKey | None = None, kept_elsewhere: Sequence[str] = ()) -> Report:
    """Verify an export. `key`: whose signature counts; without it the one that the file itself names."""
    report = Report()
    reader = _ExportReader(file, report)
    try:
        return _verify(reader, report, key, kept_elsewhere)
    except _Broken as error:
        report.add("tampered", "export_malformed", str(error))
    except _Ends:
        report.add("incomplete", "export_ends", "the file ends too early: it was cut off")
    return report


def _verify(reader: _ExportReader, report: Report, key: VerifierKey | None, kept_elsewhere: Sequence[str]) -> Report:
    header = reader.header()
    check = LogCheck(_key(header, key, report), report)
    commitments = bytearray()
    for index, data in enumerate(reader.leaves(header.size)):
        leaf = check.add(index, data)
        commitments += bytes(COMMITMENT_BYTES) if leaf is None else bytes.fromhex(leaf.c)
    reader.rest()
    for index, salted in reader.private:
        _check_private(index, salted, commitments, report)
    return check.finish(Anchors(tiles=reader.tiles, notes=reader.notes, kept_elsewhere=kept_elsewhere))


def _key(header: Header, given: VerifierKey | None, report: Report) -> VerifierKey:
    try:
        named = VerifierKey.parse(header.key)
    except NoteError as error:
        raise _Broken(f"the key of the export cannot be read: {error}") from error
    if header.origin != named.name:
        raise _Broken("the key of the export is one of another log")
    if given is None:
        report.add("note", "key_from_file", f"checked with the key that the file names: {named}")
        return named
    if str(given) != str(named):
        report.add("tampered", "key_differs", f"the export names another key than the one given: {named}")
    return given


def _check_private(index: int, salted: bytes, commitments: bytearray, report: Report) -> None:
    expected = commitments[index * COMMITMENT_BYTES : (index + 1) * COMMITMENT_BYTES] if index >= 0 else b""
    if not expected:
        report.add("tampered", "private_added", f"there is a private part for entry {index}, which is not there", index)
    elif commit(salted[:SALT_BYTES], salted[SALT_BYTES:]) != bytes(expected):
        text = f"the private part of entry {index} is not what its leaf commits to"
        report.add("tampered", "private_broken", text, index)
    else:
        report.counts["private open"] = report.counts.get("private open", 0) + 1


def _bytes(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Broken("a line holds something that is no base64") from error
    if base64.b64encode(data).decode() != encoded:
        raise _Broken("a line holds base64 that is not in its one form")
    return data
