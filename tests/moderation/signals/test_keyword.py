"""The banks: whole words, stems, and what is bad inside any word; harmless words are known."""

from __future__ import annotations

import pytest

from moderation import Content, Pipeline, load_policy
from moderation.normalise import Normaliser
from moderation.signals.keyword import BankError, Keyword, load_bank, read_bank
from tests.moderation.conftest import Codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("you idiot", "keyword_insult"),
        ("n1gg3r", "keyword_slur"),
        ("f u c k off", "keyword_profanity"),
        ("f**k you", "keyword_profanity"),
        ("fuuuuck", "keyword_profanity"),
        ("whatthefuckingwhat", "keyword_profanity"),
        ("ты дебил", "keyword_insult"),
        ("с у к а", "keyword_insult"),
        ("cука", "keyword_insult"),
        ("бл*дь", "keyword_profanity"),
        ("сен ақымақсың", "keyword_insult"),
        ("сен акымаксын", "keyword_insult"),
        ("hijo de puta", "keyword_insult"),
        ("eres un imbécil", "keyword_insult"),
        ("maricón", "keyword_slur"),
    ],
)
def test_a_bad_word_is_heard(codes: Codes, text: str, code: str) -> None:
    assert code in codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe, Essex and Middlesex",
        "cocktail bar near the cockpit",
        "class, grass, bass, assessment",
        "Hancock street, Dickens road, Moby Dick pub",
        "the documents are in the title deed",
        "хачапури и скипидар, застрахуйте машину",
        "не психуй, употребляем",
        "козлов переулок, баранов двор",
        "раньше, сабля, рубля",
        "көтеріңізші, көктем, екі итальян",
        "computadora, disputa, reputación",
        "cerdo asado y polla asada",
        "I was late, bad pass",
    ],
)
def test_words_that_only_look_alike_pass(codes: Codes, text: str) -> None:
    assert not {code for code in codes(text) if code.startswith("keyword")}


def test_a_slur_waits_for_a_person_an_insult_is_delivered_and_an_oath_is_nobodys_business() -> None:
    bank = load_bank(Normaliser())
    rules = Pipeline(load_policy(), [Keyword(bank)])

    assert rules.judge(Content("you nigger")).outcome == "quarantine"
    insult = rules.judge(Content("bring me there you idiot"))
    assert (insult.outcome, insult.flags) == ("allow", ("review",))
    oath = rules.judge(Content("damn traffic"))
    assert (oath.outcome, oath.flags, len(oath.signals)) == ("allow", (), 1)


def test_a_bank_that_cannot_be_read_is_named_with_its_line() -> None:
    with pytest.raises(BankError, match=r"my\.txt:2"):
        read_bank("my.txt", "insult fool\nrude fool\n", Normaliser())
    with pytest.raises(BankError, match="too short"):
        read_bank("my.txt", "insult a*\n", Normaliser())
