"""What the city talks about first, and how often somebody presses."""

from __future__ import annotations

import itertools
import random

import pytest

from backend.city.deck import OPENING, Deck
from backend.city.dialogue import shipped_dialogues, whole_way

SHIPPED = shipped_dialogues()


@pytest.mark.parametrize("seed", range(20))
def test_the_first_trips_show_every_kind_that_needs_a_person(seed: int) -> None:
    deck = Deck(SHIPPED, random.Random(seed))
    opening = [deck.deal(0.0) for _ in OPENING]
    assert opening[0].presses
    for tag, dialogue in zip(OPENING, opening, strict=True):
        assert tag in dialogue.tags
    assert len({d.lang for d in opening}) >= 3


@pytest.mark.parametrize("dialogue", [d for d in SHIPPED if "press" in d.tags], ids=lambda d: d.id)
def test_the_button_is_pressed_within_half_a_minute(dialogue: object) -> None:
    waited = 0.0
    for turn in whole_way(dialogue):  # type: ignore[arg-type]
        waited += turn.pause_s
        if turn.press:
            break
    assert 10 <= waited <= 35


def test_what_is_flagged_is_said_within_two_minutes() -> None:
    flagged = [d for d in SHIPPED if set(d.tags) & {"contact", "threat", "insult", "payment", "distress"}]
    assert all(sum(turn.pause_s for turn in d.turns) < 120 for d in flagged)


def test_presses_keep_their_distance() -> None:
    deck = Deck(SHIPPED, random.Random(3), press_every_s=240)
    presses = [second for second in range(0, 3600, 5) if deck.deal(float(second)).presses]
    assert len(presses) == 15
    assert min(b - a for a, b in itertools.pairwise(presses)) >= 240


def test_no_dialogue_comes_back_before_all_others_were_heard() -> None:
    deck = Deck(SHIPPED, random.Random(4), press_every_s=1e9)
    talking = sum(not d.presses for d in SHIPPED)
    dealt = [deck.deal(0.0).id for _ in range(talking * 3 + 200)]
    rounds = dealt[-talking:]
    assert len(set(rounds)) >= talking * 0.5
    everything = {d.id for d in SHIPPED if not d.presses}
    assert everything <= set(dealt)


def test_the_same_seed_deals_the_same_way() -> None:
    first, second = (Deck(SHIPPED, random.Random(7)) for _ in range(2))
    assert [first.deal(0.0).id for _ in range(50)] == [second.deal(0.0).id for _ in range(50)]
    other = Deck(SHIPPED, random.Random(8))
    assert [other.deal(0.0).id for _ in range(50)] != [first.deal(0.0).id for _ in range(50)]


def test_a_city_in_which_everybody_presses_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody presses"):
        Deck([d for d in SHIPPED if d.presses], random.Random(0))
