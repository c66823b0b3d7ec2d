"""A shadow policy decides on what was measured once, as a pipeline of its own would."""

from __future__ import annotations

from importlib import resources

import pytest

from moderation import Content, Context, Pipeline, Recent, Shadow, fingerprint, parse_policy, reassemble

SHIPPED = resources.files("moderation").joinpath("data/policy.toml").read_text(encoding="utf-8")
CHANGES = {
    "other thresholds": ('phone = [{ at = 0.6, outcome = "mask" }]', 'phone = [{ at = 0.6, outcome = "reject" }]'),
    "another flood": ("max_messages = 32", "max_messages = 2"),
    "other links": ("block = []", 'block = ["google.com"]'),
    "a codeword": ("[codewords]", "[codewords]\numbrella = 1.0"),
    "other regions": ('"KZ", "KG", "RU", "US", "ES", "GB", "UZ", "TR", "MX"', '"GB"'),
}
TEXTS = (
    "hello, I am at the gate",
    "call me +7 701 123 45 67",
    "call me 8 701 123 45 67",
    "612345678",
    "look at https://maps.google.com/x and https://evil.example/y",
    "do you have an umbrella",
    "you stupid idiot",
    "",
)


@pytest.mark.parametrize("change", CHANGES)
def test_it_says_what_a_pipeline_of_its_own_would_say(pipeline: Pipeline, change: str) -> None:
    old, new = CHANGES[change]
    assert old in SHIPPED
    policy = parse_policy(SHIPPED.replace(old, new).encode())
    shadow, own = Shadow(pipeline, policy), reassemble(pipeline, policy)
    recent = tuple(Recent(100.0 + at / 10, fingerprint(f"line {at}")) for at in range(3))
    changed = 0
    for text in TEXTS:
        content, context = Content(text), Context(now=100.3, recent=recent)
        verdict, other = shadow.judge_both(content, context)
        alone, expected = pipeline.judge(content, context), own.judge(content, context)
        assert (verdict.outcome, verdict.flags, verdict.signals) == (alone.outcome, alone.flags, alone.signals)
        assert (other.outcome, other.flags, other.labels) == (expected.outcome, expected.flags, expected.labels)
        assert sorted(map(str, other.signals)) == sorted(map(str, expected.signals))
        assert (verdict.policy, other.policy) == (pipeline.policy.name, policy.name)
        changed += (verdict.outcome, verdict.flags) != (other.outcome, other.flags)
    assert changed, "a change that changes nothing would prove nothing"
