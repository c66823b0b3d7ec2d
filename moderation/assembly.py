"""Puts the shipped pipeline together: the one place that knows every signal."""

from __future__ import annotations

from importlib import resources

from moderation.classifiers.linear import load_linear
from moderation.content import Content
from moderation.normalise import Normaliser
from moderation.pipeline import Pipeline
from moderation.policy import Policy, load_policy
from moderation.signals.base import Signal
from moderation.signals.codeword import Codeword
from moderation.signals.distress import Distress
from moderation.signals.email import Email
from moderation.signals.flood import FloodSignal
from moderation.signals.handle import Handle
from moderation.signals.keyword import Keyword, lexicon, load_bank
from moderation.signals.link import Link
from moderation.signals.messenger_link import MessengerLink
from moderation.signals.off_platform_payment import OffPlatformPayment
from moderation.signals.phone import Phone
from moderation.signals.phone_spelled import PhoneSpelled
from moderation.signals.phrases import phrase_words
from moderation.signals.scam import Scam
from moderation.signals.self_harm import SelfHarm
from moderation.signals.solicitation import Solicitation
from moderation.signals.stop_request import StopRequest
from moderation.signals.threat import Threat

_WARM_UP = "+7 701 123 45 67, +1 415 555 2671, 612 34 56 78"


def shipped_signals(policy: Policy) -> list[Signal]:
    """Return every rule signal, set up by the policy and the shipped data."""
    return [
        *policy_signals(policy),
        PhoneSpelled(),
        Email(),
        Handle(),
        MessengerLink(),
        OffPlatformPayment(),
        Keyword(load_bank(Normaliser())),
        Threat(),
        Distress(),
        SelfHarm(),
        Solicitation(),
        Scam(),
        StopRequest(),
    ]


def policy_signals(policy: Policy) -> list[Signal]:
    """Return the signals that a policy sets up; all others are the same under every policy."""
    document = policy.document
    return [FloodSignal(document.flood), Phone(policy), Link(document.links), Codeword(document.codewords)]


def shipped_normaliser() -> Normaliser:
    """Return the normaliser with the shipped lexicon; training uses the same one."""
    return Normaliser(lexicon(load_bank(Normaliser()), shipped_vocabulary()))


def shipped_vocabulary() -> list[str]:
    """Return the common words, the commonest first, as training counted them, then those of the phrases."""
    counted = resources.files("moderation").joinpath("data/words.txt").read_text(encoding="utf-8").split()
    return list(dict.fromkeys([*counted, *phrase_words(Normaliser())]))


def default_pipeline(policy: Policy | None = None) -> Pipeline:
    """Build the shipped pipeline (policy, keyword banks and weights from package data); takes well under a second."""
    return assemble(policy or load_policy())


def assemble(policy: Policy) -> Pipeline:
    """Build the pipeline of a policy with the shipped signals and weights."""
    return _warm(Pipeline(policy, shipped_signals(policy), load_linear(), shipped_normaliser()))


def reassemble(pipeline: Pipeline, policy: Policy) -> Pipeline:
    """Return `pipeline` by another policy: banks, phrases and weights are shared, so that it takes milliseconds."""
    return _warm(pipeline.under(policy, policy_signals(policy)))


def _warm(pipeline: Pipeline) -> Pipeline:
    # The tables of the numbering plans load at first use: better now than within somebody's first message.
    pipeline.judge(Content(_WARM_UP))
    return pipeline
