"""Unknown links wait for a person, harmful ones are refused, maps pass."""

from __future__ import annotations

import pytest

from moderation import Content, Pipeline
from moderation.policy import parse_policy
from moderation.signals.link import Link
from tests.moderation.conftest import Judge


@pytest.mark.parametrize(
    "text", ["https://evil.xyz/a", "look www.prizes.com", "go to cheap-rides.ru now", "http://x.co/1"]
)
def test_an_unknown_link_is_quarantined(judge: Judge, text: str) -> None:
    assert judge(text).outcome == "quarantine"


@pytest.mark.parametrize(
    "text",
    [
        "http://192.168.4.5/login",
        "https://google.com@evil.com/x",
        "https://xn--pple-43d.com",
        "https://gооgle.com/maps",
    ],
)
def test_a_link_that_deceives_is_rejected(judge: Judge, text: str) -> None:
    verdict = judge(text)

    assert (verdict.outcome, verdict.reason) == ("reject", "link_malicious")


@pytest.mark.parametrize(
    "text",
    [
        "https://maps.google.com/?q=43.2,76.8",
        "https://go.2gis.com/abc",
        "Ok.Let's go",
        "see you.Me too",
        "Near KFC.On the left",
        "I'm at St.Patrick",
        "5.30 is fine",
        "У входа.Жду",
    ],
)
def test_maps_and_full_stops_pass(judge: Judge, text: str) -> None:
    assert judge(text).outcome == "allow"


def test_the_policy_blocks_hosts_with_their_subdomains() -> None:
    source = b"""version = "t"
phone_regions = []
[links]
block = ["bad.com"]
[signals]
link_malicious = [{ outcome = "reject" }]
[labels]
"""
    policy = parse_policy(source)
    pipeline = Pipeline(policy, [Link(policy.document.links)])

    assert pipeline.judge(Content("https://a.bad.com")).reason == "link_malicious"
    assert pipeline.judge(Content("https://notbad.com")).outcome == "allow"
