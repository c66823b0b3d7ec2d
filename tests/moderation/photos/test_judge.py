"""From a photo to a verdict, by the policy."""

from __future__ import annotations

import pytest

from moderation import Context, Policy, load_policy
from moderation.codes import KNOWN_PHOTO_LABELS
from moderation.photos import PHOTO_CODES, Bank, JudgedPhoto, Known, Limits, PhotoPipeline, Workers
from moderation.photos.wire import MODEL_NAME, Looked
from moderation.policy import parse_policy
from tests.moderation.photos.pictures import decode, encode, scene

PICTURE = scene(640, 480, seed=5)
PHOTO = encode(PICTURE)


class Scripted(Workers):
    """Workers that report what the test wants: no real photo gives every score."""

    def __init__(self, looked: Looked) -> None:
        super().__init__(Limits())
        self._looked = looked

    def look(self, data: bytes) -> tuple[Looked, bytes]:
        return self._looked, b"clean"


def scored(
    nsfw: float | None, policy: Policy | None = None, market: str = "default", bank: Bank | None = None
) -> JudgedPhoto:
    looked = Looked(width=1, height=1, pdq="0f" * 32, quality=100, nsfw=nsfw)
    return PhotoPipeline(policy, bank, Scripted(looked)).judge(b"", Context(market=market))


def test_a_harmless_photo_is_allowed_and_says_how_it_was_judged(photos: PhotoPipeline) -> None:
    judged = photos.judge(PHOTO)

    verdict = judged.verdict
    assert (verdict.outcome, verdict.flags, verdict.reason, verdict.mask_spans) == ("allow", (), None, ())
    assert (verdict.policy, verdict.model) == (load_policy().name, MODEL_NAME)
    assert 0 <= verdict.labels["nsfw"] < 0.4
    assert verdict.ms > 0
    assert decode(judged.clean).size == (judged.width, judged.height) == (640, 480)


def test_the_same_photo_gets_the_same_answer(photos: PhotoPipeline) -> None:
    one, other = photos.judge(PHOTO), photos.judge(PHOTO)

    assert (one.clean, one.pdq, one.verdict.labels) == (other.clean, other.pdq, other.verdict.labels)


@pytest.mark.parametrize(
    ("nsfw", "outcome", "flags"),
    [
        (0.0, "allow", ()),
        (0.39, "allow", ()),
        (0.4, "allow", ("review",)),
        (0.7, "quarantine", ("review",)),
        (1.0, "quarantine", ("review",)),
    ],
)
def test_the_policy_decides_about_the_score(nsfw: float, outcome: str, flags: tuple[str, ...]) -> None:
    verdict = scored(nsfw).verdict

    assert (verdict.outcome, verdict.flags, verdict.labels) == (outcome, flags, {"nsfw": nsfw})


def test_a_market_may_be_stricter() -> None:
    strict = b"""
version = "strict"
phone_regions = ["KZ"]
[signals]
photo_nsfw = [{ at = 0.9, outcome = "quarantine" }]
[labels]
[markets.kz.signals]
photo_nsfw = [{ at = 0.2, outcome = "reject", reason = "photo_refused" }]
"""
    policy = parse_policy(strict)

    assert scored(0.5, policy).verdict.outcome == "allow"
    here = scored(0.5, policy, "kz").verdict
    assert (here.outcome, here.reason) == ("reject", "photo_refused")


def test_a_broken_model_never_allows() -> None:
    verdict = scored(None).verdict

    assert (verdict.outcome, verdict.flags, verdict.labels) == ("quarantine", ("review",), {})
    assert [hit.code for hit in verdict.signals] == ["failed.photo_nsfw"]


def test_a_known_photo_is_known_again_after_changes(photos: PhotoPipeline) -> None:
    first = photos.judge(PHOTO)
    workers = photos._workers  # pyright: ignore[reportPrivateUsage] - one process for all tests
    bank = Bank([Known(bytes.fromhex(first.pdq), "advert")])
    knowing = PhotoPipeline(bank=bank, workers=workers)

    again = knowing.judge(encode(PICTURE.resize((333, 250)), "WEBP", quality=40)).verdict
    other = knowing.judge(encode(scene(640, 480, seed=6))).verdict

    assert (again.outcome, again.reason) == ("reject", "photo_known")
    hit = next(hit for hit in again.signals if hit.code == "photo_known_advert")
    assert 0.87 < hit.score <= 1
    assert other.outcome == "allow"


@pytest.mark.parametrize("label", KNOWN_PHOTO_LABELS)
def test_no_label_of_a_bank_is_allowed(label: str) -> None:
    verdict = scored(0.0, bank=Bank([Known(b"\x0f" * 32, label)])).verdict

    assert verdict.outcome in ("quarantine", "reject")
    assert (verdict.reason is None) == (verdict.outcome == "quarantine")
    assert f"photo_known_{label}" in {hit.code for hit in verdict.signals}


def test_of_what_nobody_may_see_the_sender_learns_nothing() -> None:
    verdict = scored(0.0, bank=Bank([Known(b"\x0f" * 32, "child_abuse")])).verdict

    assert (verdict.outcome, verdict.flags) == ("quarantine", ("review", "urgent"))


def test_every_code_has_a_sentence_and_is_in_the_readme() -> None:
    from tests.moderation.test_docs import README

    assert all(sentence.endswith(".") for sentence in PHOTO_CODES.values())
    assert [code for code in PHOTO_CODES if f"`{code}`" not in README] == []
