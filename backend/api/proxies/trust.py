"""Whose word counts, and what a chain of proxies says."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from backend.api.proxies.header import plain

#: Addresses whose answer is remembered, and hops of a chain that are looked at, from the near end.
REMEMBERED, MAX_HOPS = 4096, 32
#: The longest address with its port, and room for blanks; more is no address, and is not remembered either.
MAX_HOP_BYTES = 64

FORWARDED_FOR = b"x-forwarded-for"


class Trust:
    """The networks of our own balancers. Only what they say of a client is believed, and only where they saw it."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ip_network(network) for network in networks)
        self.holds = lru_cache(REMEMBERED)(self._holds)
        self._read = lru_cache(REMEMBERED)(address_of)

    def _holds(self, address: str) -> bool:
        """Whether this is one of them."""
        try:
            found = ip_address(plain(ip_address(address)))
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def client_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of whoever asks: the last hop that is none of ours, read from our end of `X-Forwarded-For`.

        Everything further left was written by that hop and may be invented. Where a hop cannot be read the one before
        it answers for it. `peer` is whose connection it is; the header names are lower case.
        """
        if not self.holds(peer):
            return peer
        chain = b",".join(value for name, value in headers if name == FORWARDED_FOR)
        nearest = peer
        for hop in reversed(chain.rsplit(b",", MAX_HOPS)[-MAX_HOPS:] if chain else []):
            address = self._read(hop) if len(hop) <= MAX_HOP_BYTES else None
            if address is None:
                break
            nearest = address
            if not self.holds(address):
                break
        return nearest


def address_of(hop: bytes) -> str | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80` without the port; None for anything else."""
    text = hop.strip().decode("latin-1")
    if text.startswith("["):
        text, _, _ = text[1:].partition("]")
    elif text.count(":") == 1:
        text, _, _ = text.partition(":")
    try:
        return None if "%" in text else plain(ip_address(text))
    except ValueError:
        return None
