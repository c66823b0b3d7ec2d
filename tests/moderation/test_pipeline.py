"""A verdict says what the policy wants; what breaks inside is never a silent allow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from threading import Thread

import pytest

from moderation import Content, Context, Pipeline, Recent, SignalHit, Verdict, fingerprint, load_policy
from moderation.normalise import Normaliser, View
from moderation.policy import FailureClass, parse_policy
from moderation.signals.base import Found
from tests.moderation.conftest import Judge


class Planted:
    """A signal that does what a test wants."""

    behaviour = False

    def __init__(self, failure: FailureClass, broken: bool = False, sleep_s: float = 0.0, wakes_on: str = "") -> None:
        self.name, self.failure = "planted", failure
        self._broken, self._sleep_s, self._wakes_on = broken, sleep_s, wakes_on

    def triggers(self) -> Iterable[tuple[str, int]]:
        return [(self._wakes_on, 0)] if self._wakes_on else ()

    def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
        if self._broken:
            raise RuntimeError("planted")
        time.sleep(self._sleep_s)
        return ()


def verdict_of(signal: Planted, text: str = "hello") -> Verdict:
    return Pipeline(load_policy(), [signal]).judge(Content(text))


def test_a_whole_signal_lets_a_plain_text_pass() -> None:
    assert verdict_of(Planted("safety")).outcome == "allow"


def test_a_broken_safety_signal_quarantines() -> None:
    verdict = verdict_of(Planted("safety", broken=True))

    assert (verdict.outcome, verdict.flags) == ("quarantine", ("review",))
    assert verdict.signals[0].code == "failed.planted"


def test_a_broken_hygiene_signal_delivers_and_opens_a_case() -> None:
    verdict = verdict_of(Planted("hygiene", broken=True))

    assert (verdict.outcome, verdict.flags) == ("allow", ("review",))


def test_a_late_signal_counts_as_broken() -> None:
    policy = parse_policy(b'version = "t"\nphone_regions = []\n[signals]\n[labels]\n[budget_ms]\nsignal = 20.0\n')

    verdict = Pipeline(policy, [Planted("safety", sleep_s=0.03)]).judge(Content("hello"))

    assert verdict.outcome == "quarantine"
    assert verdict.signals[0].code == "late.planted"


def test_a_broken_signal_that_is_not_woken_breaks_nothing() -> None:
    signal = Planted("safety", broken=True, wakes_on="trigger")

    assert verdict_of(signal).outcome == "allow"
    assert verdict_of(signal, "pull the trigger").outcome == "quarantine"


def test_a_broken_signal_does_not_silence_the_others() -> None:
    class Loud(Planted):
        def look(self, view: View, context: Context, found: Sequence[Found]) -> Sequence[SignalHit]:
            return (SignalHit("threat", 0.95),)

    pipeline = Pipeline(load_policy(), [Planted("hygiene", broken=True), Loud("safety")])

    verdict = pipeline.judge(Content("x"))

    assert verdict.outcome == "quarantine"
    assert verdict.flags == ("review", "urgent")


def test_a_broken_classifier_quarantines() -> None:
    class Broken:
        name = "broken"

        def scores(self, text: str) -> dict[str, float]:
            raise ValueError(text)

    verdict = Pipeline(load_policy(), [], Broken()).judge(Content("hello"))

    assert verdict.outcome == "quarantine"
    assert verdict.signals[0].code == "failed.classifier"


def test_a_broken_normaliser_quarantines() -> None:
    class Broken(Normaliser):
        def view(self, text: str) -> View:
            raise RecursionError

    verdict = Pipeline(load_policy(), [], None, Broken()).judge(Content("hello"))

    assert verdict.outcome == "quarantine"
    assert verdict.signals[0].code == "failed.normaliser"


def test_the_failure_class_is_the_policys_to_set() -> None:
    source = b'version = "t"\nphone_regions = []\n[signals]\n[labels]\n[failure]\nsafety = "deliver_and_review"\n'
    pipeline = Pipeline(parse_policy(source), [Planted("safety", broken=True)])

    verdict = pipeline.judge(Content("hello"))

    assert (verdict.outcome, verdict.flags) == ("allow", ("review",))


def test_a_masked_text_keeps_its_length_and_the_rest(judge: Judge) -> None:
    text = "call me +7 701 123 45 67 ok, or bob@mail.com"
    verdict = judge(text)

    masked = verdict.masked(text)

    assert verdict.outcome == "mask"
    assert masked == "call me " + "*" * 16 + " ok, or " + "*" * 12


def test_spans_are_those_of_the_original_even_under_disguise(judge: Judge) -> None:
    text = "мой 👍🏽 номер \u200b+7\u200b701\u200b1234567, звони"
    verdict = judge(text)
    (hit,) = [hit for hit in verdict.signals if hit.code == "phone"]

    assert hit.span is not None
    assert text[slice(*hit.span)].endswith("1234567")
    assert verdict.masked(text).startswith("мой 👍🏽 номер")
    assert verdict.masked(text).endswith(", звони")


def test_a_verdict_names_its_policy_and_model(judge: Judge) -> None:
    verdict = judge("hello")

    assert verdict.policy.startswith("2026.")
    assert len(verdict.policy.split(":")[1]) == 8
    assert verdict.model.startswith("linear-")
    assert verdict.ms > 0


def test_a_template_is_asked_only_for_behaviour(judge: Judge) -> None:
    assert "urgent" in judge("Help me please").flags
    assert judge("Help me please", template=True).flags == ()

    recent = [Recent(at, fingerprint("Help me please")) for at in (1.0, 2.0, 3.0)]
    assert judge("Help me please", template=True, now=4.0, recent=recent).outcome == "reject"


def test_markets_have_their_own_thresholds() -> None:
    source = b"""
version = "t"
phone_regions = ["US"]
[signals]
phone = [{ outcome = "mask" }]
[labels]
[markets.kz]
phone_regions = ["KZ"]
[markets.kz.signals]
phone = [{ outcome = "reject", reason = "contact_detail" }]
"""
    policy = parse_policy(source)
    from moderation.signals.phone import Phone

    pipeline = Pipeline(policy, [Phone(policy)])
    text = Content("call +7 701 123 45 67")

    assert pipeline.judge(text).outcome == "mask"
    verdict = pipeline.judge(text, Context(market="KZ"))
    assert (verdict.outcome, verdict.reason) == ("reject", "contact_detail")


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "\ud800", "a" * 100_000, "🔥" * 5000, "٣" * 30, "\u202e" * 50, "1" * 50_000]
)
def test_no_text_breaks_the_judge(judge: Judge, text: str) -> None:
    verdict = judge(text)

    assert not [hit for hit in verdict.signals if hit.code.startswith(("failed.", "late."))]


def test_many_threads_get_the_same_verdicts(pipeline: Pipeline) -> None:
    texts = [Content(text) for text in ("hello", "I will kill you", "call +77011234567", "Где вы?", "s t u p i d")]
    expected = [pipeline.judge(text).signals for text in texts]
    wrong: list[object] = []

    def work() -> None:
        for _ in range(50):
            wrong.extend(
                text for text, hits in zip(texts, expected, strict=True) if pipeline.judge(text).signals != hits
            )

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
