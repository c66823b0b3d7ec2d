"""Where key-encryption keys are wrapped: a root key in a file of this machine, or a KMS behind the same interface."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12


class KeyFileError(Exception):
    """A key file that is missing, of the wrong size, or that others may read. The message says what would be right."""


class KeyProvider(Protocol):
    """Wraps key-encryption keys. The root key itself never leaves the provider."""

    async def wrap(self, key: bytes, aad: bytes) -> bytes:
        """Seal a 32-byte key; `aad` binds it to what it is for."""
        ...

    async def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """The 32-byte key again. Raises `KeyFileError` when this provider did not wrap it."""
        ...

    def derive(self, purpose: str) -> bytes:
        """32 bytes for a purpose that is no trip content; the same every time, independent between purposes."""
        ...


class LocalRootKey:
    """`KeyProvider` over 32 random bytes in a file that only its owner may read."""

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_BYTES:
            raise KeyFileError(f"a root key is {KEY_BYTES} bytes, this one is {len(root)}")
        self._root = root
        self._cipher = AESGCM(self.derive("wrap key-encryption keys"))

    @classmethod
    def load(cls, data_dir: Path, root_file: str = "") -> LocalRootKey:
        """The root key of this installation: `root_file`, else `<data dir>/keys/root.key`, made once."""
        if root_file:
            return cls(read_key_file(Path(root_file)))
        return cls(ensure_key_file(data_dir / "keys" / "root.key"))

    async def wrap(self, key: bytes, aad: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, aad)

    async def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], aad)
        except InvalidTag as error:
            raise KeyFileError("the root key is not the one that wrapped this key") from error

    def derive(self, purpose: str) -> bytes:
        info = b"tripwarden " + purpose.encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._root)


def ensure_key_file(path: Path) -> bytes:
    """Read `path`, or make it with 32 random bytes. Processes that start together agree on one.

    The file appears whole under its name by link(2), so that no reader ever sees a half-written key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, os.urandom(KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            draft.unlink()
    return read_key_file(path)


def read_key_file(path: Path) -> bytes:
    """The bytes of a key file. Raises `KeyFileError` when it is missing or when others may read it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise KeyFileError(f"{path} does not exist") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}); right would be 0600")
    return path.read_bytes()
