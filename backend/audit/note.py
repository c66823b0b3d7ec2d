"""Checkpoints as C2SP signed notes: origin, size, root; signed with Ed25519; checked by anybody with the verifier key.

https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from backend.audit.merkle import HASH_BYTES
from backend.keys.root import ensure_key_file, read_key_file

_ED25519 = b"\x01"
_DASH = "— "


class NoteError(ValueError):
    """A note that is malformed, of another log, or not signed by the key it should be."""


class Checkpoint(NamedTuple):
    """A statement about a log: `tree_size` entries have the root `root_hash`."""

    origin: str
    tree_size: int
    root_hash: bytes

    def body(self) -> str:
        """The signed text."""
        return f"{self.origin}\n{self.tree_size}\n{base64.b64encode(self.root_hash).decode()}\n"


class VerifierKey:
    """The public half: name and Ed25519 key. Its text form is `name+hash+base64`."""

    def __init__(self, name: str, public: bytes) -> None:
        if not name or any(sign.isspace() or sign == "+" for sign in name):
            raise NoteError("the name of a key has neither blanks nor plus signs")
        self.name, self.public = name, public
        self.key_id = sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]
        self._key = Ed25519PublicKey.from_public_bytes(public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, line: str) -> VerifierKey:
        """The key in its text form. Raises `NoteError`."""
        name, _, rest = line.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        data = _decode(encoded)
        if data[:1] != _ED25519 or len(data) != 33:
            raise NoteError("the verifier key is no Ed25519 key")
        key = cls(name, data[1:])
        if key.key_id.hex() != key_id or str(key) != line.strip():
            raise NoteError("the verifier key does not have the hash that it names")
        return key

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note. Raises `NoteError` unless this key signed it for this log."""
        text, mark, signatures = note.rpartition("\n\n")
        if not mark or not signatures.endswith("\n"):
            raise NoteError("the note has no signature")
        text += "\n"
        for line in signatures[:-1].split("\n"):
            if self._signed(text, line):
                return self._checkpoint(text)
        raise NoteError("the note is not signed by this key")

    def _signed(self, text: str, line: str) -> bool:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or name != self.name:
            return False
        data = _decode(encoded)
        if data[:4] != self.key_id:
            return False
        try:
            self._key.verify(data[4:], text.encode())
        except InvalidSignature as error:
            raise NoteError("the signature of the note is wrong") from error
        return True

    def _checkpoint(self, text: str) -> Checkpoint:
        lines = text.split("\n")
        if len(lines) != 4 or not lines[1].isascii() or not lines[1].isdigit():
            raise NoteError("the note is no checkpoint")
        checkpoint = Checkpoint(lines[0], int(lines[1]), _decode(lines[2]))
        if checkpoint.origin != self.name:
            raise NoteError(f"the checkpoint is one of the log {checkpoint.origin}")
        if len(checkpoint.root_hash) != HASH_BYTES or checkpoint.body() != text:
            raise NoteError("the checkpoint is not in its one form")
        return checkpoint


class Signer:
    """The private half. Only the sequencer has it."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def load(cls, data_dir: Path, key_file: str, origin: str) -> Signer:
        """The signing key of this installation: `key_file`, else `<data dir>/keys/audit.key`, made once."""
        path = Path(key_file) if key_file else data_dir / "keys" / "audit.key"
        return cls(origin, read_key_file(path) if key_file else ensure_key_file(path))

    def sign(self, tree_size: int, root_hash: bytes) -> str:
        """The signed note of a checkpoint of this log."""
        text = Checkpoint(self.verifier.name, tree_size, root_hash).body()
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"{text}\n{_DASH}{self.verifier.name} {base64.b64encode(signature).decode()}\n"


def _decode(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("the note holds something that is no base64") from error
    if base64.b64encode(data).decode() != encoded:
        raise NoteError("the note holds base64 that is not in its one form")
    return data
