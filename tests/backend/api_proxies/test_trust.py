"""The client is the last hop that is none of ours; what a client writes itself moves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api.proxies import Trust
from backend.settings import SettingError, load

OURS = Trust(["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"])
CLIENT = "203.0.113.9"


def client_of(peer: str, *values: str) -> str:
    """The client, with an X-Forwarded-For for each of `values`."""
    return OURS.client_of(peer, [(b"x-forwarded-for", value.encode("latin-1")) for value in values])


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("10.1.1.1", [CLIENT], CLIENT),
        ("192.0.2.7", [CLIENT], CLIENT),
        ("192.0.2.8", [CLIENT], "192.0.2.8"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", [f"1.2.3.4, {CLIENT}"], CLIENT),
        ("10.1.1.1", ["1.2.3.4", CLIENT], CLIENT),
        ("10.1.1.1", [f"{CLIENT},10.2.2.2 , 10.3.3.3"], CLIENT),
        ("10.1.1.1", [CLIENT, "10.2.2.2"], CLIENT),
        ("10.1.1.1", ["10.5.5.5, 10.2.2.2"], "10.5.5.5"),
        ("10.1.1.1", [f"{CLIENT}, unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", [f"{CLIENT}, "], "10.1.1.1"),
        ("10.1.1.1", [f"{CLIENT}, {' ' * 100}{CLIENT}"], "10.1.1.1"),
        ("10.1.1.1", [f"{CLIENT}:4711"], CLIENT),
        ("10.1.1.1", ["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
        ("10.1.1.1", ["2001:DB8:2:0::1"], "2001:db8:2::1"),
        ("2001:db8:1::5", [CLIENT], CLIENT),
        ("::ffff:10.1.1.1", [f"::ffff:{CLIENT}"], CLIENT),
    ],
)
def test_the_client_is_the_last_hop_that_is_none_of_ours(peer: str, values: list[str], client: str) -> None:
    assert client_of(peer, *values) == client


@given(invented=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200))
def test_nothing_that_a_client_writes_changes_its_address(invented: str) -> None:
    assert client_of("10.1.1.1", invented, CLIENT) == CLIENT
    assert client_of("10.1.1.1", f"{invented},{CLIENT}") == CLIENT
    assert client_of(CLIENT, invented) == CLIENT


def test_a_chain_without_an_end_is_read_from_our_side_and_only_so_far() -> None:
    assert client_of("10.1.1.1", ",".join(["10.2.2.2"] * 10_000)) == "10.2.2.2"
    assert client_of("10.1.1.1", ",".join([CLIENT] + ["10.2.2.2"] * 10_000)) == "10.2.2.2"


def test_nobody_is_believed_unless_named() -> None:
    assert Trust([]).client_of("127.0.0.1", [(b"x-forwarded-for", CLIENT.encode())]) == "127.0.0.1"


def test_networks_are_checked_at_the_start() -> None:
    api = load({"TRIPWARDEN_API_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7"}, with_runtime=False).api
    assert api.trusted_proxies == ("10.0.0.0/8", "192.0.2.7/32")
    for wrong in ("10.0.0.1/8", "balancer", "10.0.0.0/33", "*"):
        with pytest.raises(SettingError):
            load({"TRIPWARDEN_API_TRUSTED_PROXIES": wrong}, with_runtime=False)
    with pytest.raises(SettingError, match="TRUSTED_PROXIES"):
        load({"TRIPWARDEN_API_PROXY_PROTOCOL": "true"}, with_runtime=False)
