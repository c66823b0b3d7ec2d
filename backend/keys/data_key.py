"""A data key in use: seals, opens and authenticates content at rest."""

from __future__ import annotations

import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: First byte of everything sealed: AES-256-GCM, 12 random nonce bytes, ciphertext and tag.
FORMAT = b"\x01"
_BODY = 13  # 1 format byte + 12 nonce bytes

#: Sender of the lines that the system itself writes into a trip.
SYSTEM_SENDER = UUID(int=0)


class KeyDestroyed(Exception):
    """The key is gone by erasure or at the end of its time; what it sealed reads "erased"."""


class SealBroken(Exception):
    """The sealed bytes were changed, or belong to another place than the one they were found in."""


def body_aad(trip_id: UUID, sender_id: UUID, message_id: UUID, record_class: str) -> bytes:
    """What a sealed body is bound to, so that it cannot be moved to another trip, sender, message or class."""
    return trip_id.bytes + sender_id.bytes + message_id.bytes + record_class.encode()


class DataKey:
    """One 256-bit key. A seal of a short text costs microseconds: the cipher is set up once.

    Random 96-bit nonces are safe for 2**32 seals of one key (NIST SP 800-38D, 8.3); no sender writes as many in a trip.
    """

    __slots__ = ("_cipher", "_mac_key")

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(key, b"tripwarden seal", "sha256"))
        self._mac_key = hmac.digest(key, b"tripwarden mac", "sha256")

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """`plain` encrypted and bound to `aad`; 29 bytes longer."""
        nonce = os.urandom(12)
        return FORMAT + nonce + self._cipher.encrypt(nonce, plain, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """The plain bytes. Raises `SealBroken` when `sealed` or `aad` is not what was sealed."""
        if sealed[:1] != FORMAT:
            raise SealBroken("unknown format of sealed bytes")
        try:
            return self._cipher.decrypt(sealed[1:_BODY], sealed[_BODY:], aad)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("the sealed bytes do not open in this place") from error

    def mac(self, data: bytes) -> bytes:
        """HMAC-SHA256 of `data`, 32 bytes: equal texts of one sender can be compared without being read."""
        return hmac.digest(self._mac_key, data, "sha256")
