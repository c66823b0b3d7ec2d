"""Key files: made once, readable by their owner alone, refused when others can read them."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.settings import SettingError


def check_private(path: Path) -> None:
    """Refuse a key file that its group or others can read."""
    if path.stat().st_mode & 0o077:
        raise SettingError(str(path), "can be read by others", f"chmod 600 {path}")


def write_private(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600, whole or not at all; an existing one stays as it is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        # `link` fails when another process was first, and then its key is the one that counts.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def ed25519_key(path: Path, *, make: bool = True) -> Ed25519PrivateKey:
    """The Ed25519 private key (PKCS 8, PEM) in `path`; made when missing and `make`."""
    if make and not path.exists():
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(path, pem)
    check_private(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError(str(path), "is no Ed25519 key", "a PEM file made by `openssl genpkey -algorithm ed25519`")
    return key
