"""A service account for the local Firebase: the same JSON file that Google hands out, with a key made here."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PROJECT = "tripwarden-simulated"
#: Where the local one stands below the address of the simulator.
PATH = "/fcm"


class FirebaseConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the local Firebase knows: one project with one account. `public_key` is PEM."""

    project_id: str
    client_email: str
    key_id: str
    public_key: str


def ensure_account(path: Path) -> Path:
    """The account file, made (0600) where there is none."""
    if not path.exists():
        key = generate_private_key(public_exponent=65537, key_size=2048)
        account = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": os.urandom(20).hex(),
            "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "client_email": f"push@{PROJECT}.iam.gserviceaccount.com",
            "token_uri": "http://127.0.0.1:9100/fcm/token",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(account))
    return path


def read_account(path: Path) -> FirebaseConfig:
    """The account in a file, as Google knows it. Raises OSError, ValueError."""
    told: dict[str, str] = msgspec.json.decode(path.read_bytes())
    public = load_pem_private_key(told["private_key"].encode(), None).public_key()
    return FirebaseConfig(
        project_id=told["project_id"],
        client_email=told["client_email"],
        key_id=told["private_key_id"],
        public_key=public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )
