"""Which dialogue comes next: a fresh city has something to decide at once, a long-running one never repeats soon."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from backend.city.dialogue import Dialogue

#: What the first trips of a city talk about: a newcomer to the console sees each of these within two minutes.
OPENING = ("press", "threat", "contact", "insult", "payment", "distress", "contact", "threat")
#: The language in which the first of them are: the one that most newcomers to the console read.
OPENING_LANG = "en"
#: Seconds between two presses of the emergency button in the whole city.
PRESS_EVERY_S = 240.0


class Deck:
    """Deals dialogues. `rng` decides the order; the same seed deals the same way."""

    def __init__(
        self, dialogues: Sequence[Dialogue], rng: random.Random, *, press_every_s: float = PRESS_EVERY_S
    ) -> None:
        self._pressing = [d for d in dialogues if d.presses]
        self._talking = [d for d in dialogues if not d.presses]
        if not self._talking:
            raise ValueError("a city needs at least one dialogue in which nobody presses")
        self._rng = rng
        self._press_every_s = press_every_s
        self._pressed_at: float | None = None
        self._waiting: deque[Dialogue] = deque(self._opening())
        self._presses: deque[Dialogue] = deque()

    def deal(self, now: float) -> Dialogue:
        """The next dialogue; `now` is a monotonic time in seconds."""
        due = self._pressed_at is None or now - self._pressed_at >= self._press_every_s
        if due and self._pressing:
            self._pressed_at = now
            if not self._presses:
                self._presses.extend(self._shuffled(self._pressing))
            return self._presses.popleft()
        if not self._waiting:
            self._waiting.extend(self._shuffled(self._talking))
        return self._waiting.popleft()

    def _shuffled(self, dialogues: list[Dialogue]) -> list[Dialogue]:
        return self._rng.sample(dialogues, len(dialogues))

    def _opening(self) -> list[Dialogue]:
        """One of each kind in `OPENING` (languages as mixed as can be), then everyday talk."""
        chosen: list[Dialogue] = []
        for tag in OPENING[1:]:
            fitting = [d for d in self._shuffled(self._talking) if tag in d.tags and d not in chosen]
            fitting.sort(key=lambda d: (sum(d.lang == other.lang for other in chosen), d.lang != OPENING_LANG))
            chosen += fitting[:1]
        everyday = [d for d in self._shuffled(self._talking) if "everyday" in d.tags]
        return chosen + everyday
