"""A policy file that is wrong says where, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from moderation import PolicyError, load_policy
from moderation.policy import parse_policy

GOOD = """version = "2026.1"
phone_regions = ["KZ"]

[signals]
phone = [{ at = 0.5, outcome = "mask" }]

[labels]
toxicity = [{ at = 0.9, outcome = "quarantine" }, { at = 0.5, flags = ["review"] }]

[languages.ru.labels]
toxicity = [{ at = 0.8, outcome = "quarantine" }]

[markets.kz.labels]
toxicity = [{ at = 0.7, outcome = "quarantine" }]
"""


def fault_of(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text.encode(), "my.toml")
    return caught.value


def test_a_good_policy_is_read_and_named_by_version_and_digest() -> None:
    policy = parse_policy(GOOD.encode())

    assert policy.name.startswith("2026.1:")
    assert parse_policy((GOOD + "\n").encode()).name != policy.name


def test_the_market_wins_over_the_language() -> None:
    policy = parse_policy(GOOD.encode())

    assert policy.rules("default", None).labels["toxicity"][0].at == 0.9
    assert policy.rules("default", "ru-KZ").labels["toxicity"][0].at == 0.8
    assert policy.rules("KZ", "ru").labels["toxicity"][0].at == 0.7
    assert policy.rules("nowhere", "xx").labels["toxicity"][0].at == 0.9


@pytest.mark.parametrize(
    ("good", "bad", "line", "words"),
    [
        ('outcome = "mask"', 'outcome = "starred"', 5, ["starred", "quarantine", "outcome"]),
        ("at = 0.5, outcome", "at = 1.5, outcome", 5, ["<= 1.0", "between 0.0 and 1.0"]),
        ('flags = ["review"]', 'flags = ["panic"]', 8, ["panic", "urgent"]),
        ("phone = [", "telephone = [", 5, ["telephone", "phone"]),
        ("toxicity = [{ at = 0.8", "toxic = [{ at = 0.8", 11, ["toxic", "severe_toxicity"]),
        ('version = "2026.1"', "version = 3", 1, ["version", "str"]),
        ("[signals]", "[signal]", 4, ["signal"]),
    ],
)
def test_a_fault_is_named_with_file_line_and_remedy(good: str, bad: str, line: int, words: list[str]) -> None:
    assert good in GOOD
    error = fault_of(GOOD.replace(good, bad, 1))

    assert str(error).startswith("my.toml")
    assert error.line == line
    assert all(word in str(error) for word in words)


def test_broken_toml_is_named_with_line_and_column() -> None:
    assert "line 5, column" in str(fault_of(GOOD.replace('"mask" }]', '"mask }]')))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nothing\.toml: cannot be read"):
        load_policy(tmp_path / "nothing.toml")


def test_the_shipped_policy_is_good() -> None:
    assert load_policy().document.failure.safety == "quarantine"


def test_a_fault_has_a_column_too() -> None:
    error = fault_of(GOOD.replace('outcome = "mask"', 'outcome = "starred"'))
    assert (error.line, error.column) == (5, 22)
    assert str(error).startswith("my.toml:5:22: ")
    broken = fault_of(GOOD.replace('"mask" }]', '"mask"'))
    assert broken.line is not None
    assert str(broken).startswith(f"my.toml:{broken.line}:{broken.column}: ")


def test_a_file_without_end_is_refused() -> None:
    assert "longer than" in str(fault_of(GOOD + "#" * 300_000))
