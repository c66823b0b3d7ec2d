"""How far each trip was announced in the last seconds: for a neighbour that begins to listen a moment too late."""

from __future__ import annotations

from collections.abc import Iterable

from backend.realtime.events import ChatEvent

#: Trips remembered in one generation; a busier process remembers a shorter time.
MAX_TRIPS = 10_000


class Recent:
    """The last numbers by trip, in two generations: what was noted is known for one to two `turn`s."""

    def __init__(self) -> None:
        self._new: dict[int, tuple[int, int]] = {}
        self._old: dict[int, tuple[int, int]] = {}

    def note(self, event: ChatEvent) -> None:
        """An event is being announced."""
        topic, driver, customer = event.trip_id.int, event.driver, event.customer
        if driver is not None and customer is not None:
            numbers = (driver.seq, customer.seq)
        else:
            before = self._new.get(topic) or self._old.get(topic, (0, 0))
            numbers = (driver.seq if driver else before[0], customer.seq if customer else before[1])
        self._new[topic] = numbers
        if len(self._new) >= MAX_TRIPS:
            self.turn()

    def turn(self) -> None:
        """A generation ends."""
        self._old, self._new = self._new, {}

    def of(self, topics: Iterable[int]) -> list[tuple[bytes, int, int]]:
        """(trip's id, driver's number, customer's number) of those of `topics` that are remembered."""
        found = ((topic, self._new.get(topic) or self._old.get(topic)) for topic in topics)
        return [(topic.to_bytes(16, "big"), *numbers) for topic, numbers in found if numbers is not None]

    def topics(self) -> set[int]:
        """Everything remembered."""
        return self._new.keys() | self._old.keys()
