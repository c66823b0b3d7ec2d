"""PROXY headers as a balancer writes them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from backend.api.proxies.header import V2_START

Address = IPv4Address | IPv6Address


def line(address: Address, port: int) -> bytes:
    """Version 1; the balancer's own side is the same address."""
    return f"PROXY TCP{address.version} {address} {address} {port} 443\r\n".encode()


def packet(address: Address, port: int, extensions: bytes = b"") -> bytes:
    """Version 2, with whatever a balancer adds."""
    body = address.packed * 2 + port.to_bytes(2, "big") + (443).to_bytes(2, "big") + extensions
    kind = b"\x21\x11" if address.version == 4 else b"\x21\x21"
    return V2_START + kind + len(body).to_bytes(2, "big") + body
