"""The people of the city: a driver or a rider is in one trip at a time and comes back in later ones."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field

from backend.city.dialogue import Role
from backend.city.geography import CARS, COLOURS, fill, town_of


@dataclass(frozen=True)
class Person:
    """As the platform knows them."""

    id: str
    name: str
    locale: str
    phone: str
    rating: float

    def wire(self) -> dict[str, object]:
        """The person in the body of the platform API."""
        return {
            "id": self.id,
            "name": self.name,
            "locale": self.locale,
            "phone": self.phone,
            "rating": self.rating,
        }


@dataclass
class People:
    """Everybody who is not in a trip right now. Some come back, some are new."""

    rng: random.Random
    _free: dict[tuple[str, Role], list[Person]] = field(default_factory=dict[tuple[str, Role], list[Person]])

    def take(self, market: str, role: Role, locale: str) -> Person:
        """Somebody for a trip: one in two riders and three in four drivers have been here before."""
        free = self._free.setdefault((market, role), [])
        known = [person for person in free if person.locale == locale]
        if known and self.rng.random() < (0.75 if role == "driver" else 0.5):
            person = self.rng.choice(known)
            free.remove(person)
            return person
        town = town_of(market)
        return Person(
            id=str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            name=self.rng.choice(town.names),
            locale=locale,
            phone=fill(town.dial, self.rng),
            rating=round(self.rng.triangular(4.1, 5.0, 4.9), 2),
        )

    def give_back(self, market: str, role: Role, person: Person) -> None:
        """The trip is over; the person may take another."""
        self._free.setdefault((market, role), []).append(person)


def vehicle(market: str, rng: random.Random) -> dict[str, object]:
    """A car with a plate of the market."""
    make, model = rng.choice(CARS)
    plate = fill(town_of(market).plate, rng)
    return {"make": make, "model": model, "colour": rng.choice(COLOURS), "plate": plate}
