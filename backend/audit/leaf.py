"""The public half of an entry: canonical JSON that holds no personal data, and the commitment to the private half."""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256

import msgspec

from backend.audit.canonical import canonical
from backend.clock import rfc3339

VERSION = 1
SALT_BYTES = 32
COMMITMENT_BYTES = 32

#: A number that a producer took and never used; keeps its counter gapless.
VOID = "void"
#: Outcome of a void that the sequencer wrote for a producer that died.
LOST = "lost"
#: The commitment of entries that have no private part: nothing, under a salt of zeroes.
NO_PRIVATE = hmac.digest(bytes(SALT_BYTES), b"{}", "sha256")


class Leaf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{boot, c, ev, log, n?, out, pol, prod, pseq, ts, v}`: fields stand in canonical order, so encoding is canonical.

    boot, prod: which process, and which life of it. pseq: its own gapless count from 1. ev: event code. out: outcome.
    pol: policy version or null. n: counts. ts: RFC 3339, UTC. c: commitment in hex.
    """

    boot: str
    c: str
    ev: str
    log: str
    n: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    out: str
    pol: str | None
    prod: str
    pseq: int
    ts: str
    v: int


def void_leaf(log: str, producer: str, boot: str, number: int, moment: datetime, outcome: str = "ok") -> bytes:
    """The entry that closes a number which came to nothing."""
    return encode_leaf(
        Leaf(
            boot=boot,
            c=NO_PRIVATE.hex(),
            ev=VOID,
            log=log,
            out=outcome,
            pol=None,
            prod=producer,
            pseq=number,
            ts=rfc3339(moment),
            v=VERSION,
        )
    )


encode_leaf = msgspec.json.Encoder(order="sorted").encode
decode_leaf = msgspec.json.Decoder(Leaf).decode


def check_leaf(data: bytes) -> Leaf:
    """The leaf in `data`. Raises `ValueError` when it is none, or is not in canonical form."""
    try:
        leaf = decode_leaf(data)
        if encode_leaf(leaf) != data:
            raise ValueError("the leaf is not in canonical form")
        if len(bytes.fromhex(leaf.c)) != COMMITMENT_BYTES:
            raise ValueError("the commitment has the wrong length")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"the leaf cannot be read: {error}") from error
    if leaf.v != VERSION:
        raise ValueError(f"the leaf has the unknown version {leaf.v}")
    return leaf


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962, 2.1: SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def commit(salt: bytes, private: bytes) -> bytes:
    """HMAC-SHA256(salt, canonical private part): binds without telling, as long as the salt is kept sealed."""
    return hmac.digest(salt, private, "sha256")


def commit_to(salt: bytes, private: dict[str, object]) -> bytes:
    """`commit` for a private part that is not in its canonical form yet."""
    return commit(salt, canonical(private))  # pyright: ignore[reportArgumentType]
