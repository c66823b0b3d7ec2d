"""The dialogues that ship, and the way of a trip through one."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from backend.city.dialogue import WAY, Dialogue, Turn, first_status, read_dialogues, shipped_dialogues, whole_way
from backend.city.geography import TOWNS

DRIVER_TEMPLATES = {
    "driver_on_way",
    "driver_arrived",
    "driver_late",
    "driver_cant_find",
    "driver_trip_started",
    "driver_traffic",
    "driver_arriving",
    "driver_trip_complete",
    "emergency_help",
}
SHIPPED = shipped_dialogues()


def test_there_are_enough_dialogues_in_each_language() -> None:
    languages = Counter(dialogue.lang for dialogue in SHIPPED)
    assert len(SHIPPED) >= 72
    assert set(languages) == {"en", "ru", "kk", "es"}
    assert min(languages.values()) >= 15


def test_every_dialogue_has_a_name_of_its_own_and_a_market_with_streets() -> None:
    assert len({dialogue.id for dialogue in SHIPPED}) == len(SHIPPED)
    assert {dialogue.market for dialogue in SHIPPED} <= set(TOWNS)


@pytest.mark.parametrize("tag", ["contact", "payment", "insult", "threat", "distress", "press", "everyday", "mixed"])
def test_the_city_has_something_of_every_kind(tag: str) -> None:
    assert sum(tag in dialogue.tags for dialogue in SHIPPED) >= 2


def test_most_dialogues_are_everyday() -> None:
    assert sum("everyday" in dialogue.tags for dialogue in SHIPPED) > len(SHIPPED) / 2


@pytest.mark.parametrize("dialogue", SHIPPED, ids=lambda d: d.id)
def test_a_shipped_dialogue_is_short_talk_of_two_people_on_a_way_that_goes_forward(dialogue: Dialogue) -> None:
    texts = [turn.text for turn in dialogue.turns if turn.text is not None]
    assert texts
    assert all(0 < len(text) <= 120 and text == text.strip() for text in texts)
    assert {t.who for t in dialogue.turns if t.who} == {"driver", "customer"}
    assert all(t.who == "driver" and t.template in DRIVER_TEMPLATES for t in dialogue.turns if t.template)
    assert ("press" in dialogue.tags) == dialogue.presses
    way = [WAY.index(t.status) for t in dialogue.turns if t.status in WAY]
    assert way == sorted(set(way))


@pytest.mark.parametrize("dialogue", SHIPPED, ids=lambda d: d.id)
def test_every_trip_goes_step_by_step_to_its_end(dialogue: Dialogue) -> None:
    statuses = [turn.status for turn in whole_way(dialogue) if turn.status is not None]
    if statuses[-1] == "cancelled":
        assert statuses.count("cancelled") == 1
        return
    start = WAY.index(first_status(dialogue)) + 1
    assert statuses == list(WAY[start:])


def test_the_whole_way_keeps_every_turn_of_the_dialogue() -> None:
    for dialogue in SHIPPED:
        assert [t for t in whole_way(dialogue) if t in dialogue.turns] == list(dialogue.turns)


@pytest.mark.parametrize(
    "turn",
    [
        '{"pause_s": 1}',
        '{"who": "driver", "pause_s": 1}',
        '{"who": "driver", "text": "a", "template": "driver_late", "pause_s": 1}',
        '{"text": "a", "pause_s": 1}',
        '{"who": "driver", "status": "pickup", "pause_s": 1}',
        '{"who": "driver", "text": "a", "pause_s": -1}',
        '{"who": "passenger", "text": "a", "pause_s": 1}',
        '{"who": "driver", "text": "a", "pause_s": 1, "loud": true}',
    ],
)
def test_a_turn_that_is_not_one_thing_of_one_person_is_refused(turn: str) -> None:
    line = f'{{"id": "x", "lang": "en", "market": "gb", "tags": [], "turns": [{turn}]}}'
    with pytest.raises(msgspec.ValidationError):
        read_dialogues(line)
    good = '{"who": "driver", "text": "a", "pause_s": 1}'
    assert read_dialogues(line.replace(turn, good))[0].turns == (Turn(pause_s=1, who="driver", text="a"),)
