"""The PROXY header: read back as it was written, in any pieces; anything else is refused, in bounded time and space."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.api.proxies import HeaderError, Source, read_header
from backend.api.proxies.header import V1_MAX_BYTES, V2_HEAD_BYTES, V2_MAX_REST_BYTES, V2_START
from tests.backend.api_proxies.headers import line, packet

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda found: found.ipv4_mapped is None))
PORTS = st.integers(0, 65_535)


def in_pieces(data: bytes) -> Source | None:
    """What a reader says that gets a byte at a time; it may only make up its mind once."""
    said = None
    for end in range(len(data) + 1):
        said = read_header(data[:end])
        if said is not None:
            return said
    return said


@given(address=ADDRESSES, port=PORTS, behind=st.binary(max_size=20), version=st.sampled_from([line, packet]))
def test_whoever_connected_is_read_back_in_any_pieces(
    address: object, port: int, behind: bytes, version: object
) -> None:
    header = version(address, port)  # type: ignore[operator]
    expected = Source(str(address), port, len(header))
    assert read_header(header + behind) == expected
    assert in_pieces(header + behind) == expected


@given(extensions=st.binary(max_size=300), behind=st.binary(max_size=20))
def test_extensions_of_version_2_are_skipped(extensions: bytes, behind: bytes) -> None:
    header = packet(IPv4Address("192.0.2.1"), 443, extensions)
    assert read_header(header + behind) == Source("192.0.2.1", 443, len(header))


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        V2_START + b"\x20\x00\x00\x00",
        V2_START + b"\x20\x11\x00\x0c" + bytes(12),
        V2_START + b"\x21\x00\x00\x03abc",
        V2_START + b"\x21\x31\x00\xd8" + bytes(216),
    ],
)
def test_a_balancer_that_speaks_for_nobody_is_heard(header: bytes) -> None:
    assert read_header(header + b"GET /") == Source(None, 0, len(header))
    assert in_pieces(header) == Source(None, 0, len(header))


@pytest.mark.parametrize("version", [line, packet])
def test_an_ipv4_address_in_ipv6_clothes_is_one_of_ipv4(version: object) -> None:
    header = version(IPv6Address("::ffff:192.0.2.1"), 80)  # type: ignore[operator]
    found = read_header(header)
    assert found is not None
    assert found.address == "192.0.2.1"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 " + b"1" * V1_MAX_BYTES,
        V2_START + b"\x11\x11\x00\x0c" + bytes(12),
        V2_START + b"\x22\x11\x00\x0c" + bytes(12),
        V2_START + b"\x21\x12\x00\x0c" + bytes(12),
        V2_START + b"\x21\x11\x00\x0b" + bytes(12),
        V2_START + b"\x21\x21\x00\x0c" + bytes(12),
        V2_START + b"\x21\x11\xff\xff",
        b"\r\n\r\n\x00\r\nQUIT\r",
    ],
)
def test_what_is_not_exactly_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        in_pieces(data)


STARTS = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 1.1.1.1 ", V2_START, V2_START + b"\x21\x11"])


@given(start=STARTS, noise=st.binary(max_size=V2_HEAD_BYTES + V2_MAX_REST_BYTES))
@example(start=b"PROXY ", noise=b"\xff" * V1_MAX_BYTES)
def test_nothing_makes_it_fail_in_another_way_or_wait_for_ever(start: bytes, noise: bytes) -> None:
    try:
        found = read_header(start + noise)
    except HeaderError:
        return
    if found is None:
        assert len(start + noise) < V2_HEAD_BYTES + V2_MAX_REST_BYTES
    else:
        assert 0 < found.size <= len(start + noise)
