"""Who may call our webhooks, and what a responder reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ProblemError
from backend.notification import masked, webhooks
from backend.notification.simulator.callbacks import sign
from backend.notification.simulator.twiml import parse
from backend.notification.texts import TEXTS, filled, gather, say, twiml
from backend.settings import Settings, TwilioSettings, load

FIELDS = {"CallSid": "CA1", "CallStatus": "ringing", "Note": "тест & more"}
PATH = "/api/twilio/status/1?reading=2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    plain = load({"TRIPWARDEN_API_PUBLIC_URL": "https://chat.example.com/"}, data_dir=tmp_path)
    twilio = TwilioSettings(account_sid="AC1", auth_token="now", auth_token_next="next", from_number="+15005550006")
    return replace(plain, twilio=twilio)


@pytest.mark.parametrize("token", ["now", "next"])
def test_both_tokens_count_while_they_are_rotated(settings: Settings, token: str) -> None:
    signature = sign(token, "https://chat.example.com" + PATH, FIELDS)
    assert webhooks.is_signed(settings, PATH, FIELDS, signature)


@pytest.mark.parametrize(
    ("token", "url", "fields"),
    [
        ("old", "https://chat.example.com" + PATH, FIELDS),
        ("now", "https://evil.example.com" + PATH, FIELDS),
        ("now", "https://chat.example.com/api/twilio/status/2", FIELDS),
        ("now", "https://chat.example.com" + PATH, {**FIELDS, "CallStatus": "completed"}),
        ("", "https://chat.example.com" + PATH, FIELDS),
    ],
)
def test_another_token_address_or_field_is_a_forgery(
    settings: Settings, token: str, url: str, fields: dict[str, str]
) -> None:
    assert not webhooks.is_signed(settings, PATH, FIELDS, sign(token, url, fields))


def test_without_an_account_nobody_can_sign(settings: Settings) -> None:
    nobody = replace(settings, twilio=TwilioSettings())
    assert not webhooks.is_signed(nobody, PATH, FIELDS, sign("", "https://chat.example.com" + PATH, FIELDS))


def test_a_body_that_is_too_long_or_no_text_is_refused() -> None:
    for body in (b"a=" + b"x" * webhooks.BODY_MAX_BYTES, b"\xff=1"):
        with pytest.raises(ProblemError):
            webhooks.form(body)


def test_the_same_event_has_the_same_key_and_another_a_new_one() -> None:
    one = webhooks.event_key("status", "a", "token", b"x")
    assert one == webhooks.event_key("status", "a", "token", b"y")
    assert (
        len({one, webhooks.event_key("status", "b", "token", b"x"), webhooks.event_key("gather", "a", "token", b"")})
        == 3
    )
    assert webhooks.event_key("status", "a", "", b"x") != webhooks.event_key("status", "a", "", b"y")


def test_numbers_are_masked() -> None:
    assert masked("+15005550101") == "+1500*****01"
    assert masked("123") == "***"


def test_every_text_is_there_in_english_and_russian_with_the_same_placeholders() -> None:
    import string

    for key, texts in TEXTS.items():
        names = [{field for _, field, _, _ in string.Formatter().parse(texts[lang]) if field} for lang in ("en", "ru")]
        assert names[0] == names[1], key


def test_words_of_people_cannot_break_out_of_the_document() -> None:
    verbs = parse(twiml(gather('/x?a="b"', say("Tom & <Hangup/> Jerry", "en")), say("пока", "ru")))
    assert [verb.name for verb in verbs] == ["Gather", "Say"]
    assert verbs[0].inside[0].text == "Tom & <Hangup/> Jerry"
    assert verbs[1].attributes["language"] == "ru-RU"
    assert filled("goodbye", "fr") == filled("goodbye", "en")
