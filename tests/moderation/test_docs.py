"""What a verdict can carry is explained, decided by the policy, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import moderation
from moderation import load_policy
from moderation.assembly import shipped_signals
from moderation.codes import LABELS, SIGNAL_CODES

PACKAGE = Path(moderation.__file__).parent
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_every_signal_code_and_label_is_in_the_readme() -> None:
    missing = [code for code in (*SIGNAL_CODES, *LABELS) if not re.search(rf"`[^`]*\b{code}\b[^`]*`", README)]

    assert missing == []


def test_every_signal_code_has_tiers_or_is_said_to_have_none() -> None:
    policy = load_policy()

    assert set(SIGNAL_CODES) - set(policy.document.signals) == {"keyword_profanity"}


def test_every_signal_has_a_file_a_docstring_line_and_a_test() -> None:
    tests = Path(__file__).parent / "signals"
    for file in sorted((PACKAGE / "signals").glob("*.py")):
        if file.stem in ("__init__", "base", "phrases"):
            continue
        assert file.read_text(encoding="utf-8").startswith('"""'), file
        assert (tests / f"test_{file.stem}.py").is_file(), file


def test_the_names_of_signals_are_those_of_their_files() -> None:
    names = {signal.name for signal in shipped_signals(load_policy())}
    files = {file.stem for file in (PACKAGE / "signals").glob("*.py")} - {"__init__", "base", "phrases"}

    assert names == files


def test_every_language_has_its_phrase_and_keyword_files() -> None:
    for language in ("en", "ru", "kk", "es"):
        assert (PACKAGE / "data" / "keywords" / f"{language}.txt").is_file()
        for signal in ("threat", "distress", "self_harm", "solicitation", "off_platform_payment", "scam"):
            assert (PACKAGE / "data" / "phrases" / f"{signal}.{language}.txt").is_file()


def test_the_package_exports_exactly_what_it_says() -> None:
    assert all(hasattr(moderation, name) for name in moderation.__all__)
