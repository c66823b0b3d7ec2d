"""Streets to drive: boxes of four cities, routes through them, people and cars that fit.

Coordinates are WGS 84 degrees. Plates and telephone numbers are made up; the numbers come from ranges that are kept
for fiction where a country has one.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    lat: float
    lon: float


@dataclass(frozen=True)
class Town:
    """Where the trips of a market are. `dial` is a pattern of a telephone number, `#` stands for a digit."""

    name: str
    south: float
    west: float
    north: float
    east: float
    dial: str
    plate: str
    names: tuple[str, ...]
    streets: tuple[str, ...]


TOWNS = {
    "kz": Town(
        "Almaty", 43.215, 76.86, 43.275, 76.965, "+7700000####", "### LLL 02",
        ("Айгерим", "Нурлан", "Дина", "Ерлан", "Асель", "Тимур", "Мадина", "Бауыржан", "Ольга", "Руслан",
         "Жанна", "Арман", "Светлана", "Данияр", "Камила", "Серик"),
        ("пр. Абая", "ул. Сатпаева", "пр. Достык", "ул. Жандосова", "пр. Аль-Фараби", "ул. Толе би"),
    ),
    "kg": Town(
        "Bishkek", 42.835, 74.54, 42.895, 74.65, "+996555000###", "01 KG ### LL",
        ("Бекзат", "Айпери", "Улан", "Гульмира", "Нурбек", "Чолпон", "Азамат", "Жылдыз", "Максат", "Анна"),
        ("пр. Манаса", "пр. Чуй", "ул. Ахунбаева", "бул. Эркиндик", "ул. Боконбаева"),
    ),
    "es": Town(
        "Madrid", 40.395, -3.735, 40.46, -3.66, "+34600000###", "#### LLL",
        ("Lucía", "Javier", "Carmen", "Álvaro", "Marta", "Youssef", "Elena", "Sergio", "Paula", "Iván"),
        ("Calle de Alcalá", "Paseo de la Castellana", "Calle de Atocha", "Gran Vía", "Calle de Bravo Murillo"),
    ),
    "gb": Town(
        "London", 51.475, -0.2, 51.545, -0.05, "+447700900###", "LL## LLL",
        ("Amira", "Daniel", "Grace", "Tomasz", "Priya", "Callum", "Zainab", "Oliver", "Ruth", "Femi"),
        ("Brixton Road", "Kingsland Road", "Old Kent Road", "Camden High St", "Mile End Road"),
    ),
}  # fmt: skip
CARS = (
    ("Toyota", "Camry"), ("Toyota", "Prius"), ("Kia", "Rio"), ("Hyundai", "Accent"), ("Skoda", "Octavia"),
    ("Volkswagen", "Polo"), ("Chevrolet", "Cobalt"), ("Renault", "Logan"),
)  # fmt: skip
COLOURS = ("white", "silver", "black", "grey", "blue", "red")
#: Letters that a plate may hold.
LETTERS = "ABCEHKMOPTX"


def town_of(market: str) -> Town:
    """The town of a market; markets without one drive in Almaty."""
    return TOWNS.get(market, TOWNS["kz"])


def anywhere(town: Town, rng: random.Random) -> Place:
    """Some place in a town."""
    return Place(rng.uniform(town.south, town.north), rng.uniform(town.west, town.east))


def fill(pattern: str, rng: random.Random) -> str:
    """A pattern with its `#` made digits and its `L` letters."""
    chosen = {"#": "0123456789", "L": LETTERS}
    return "".join(rng.choice(chosen[c]) if c in chosen else c for c in pattern)


@dataclass(frozen=True)
class Route:
    """A way through the streets: corners that follow a grid, as far as anybody looking at dots can tell."""

    corners: tuple[Place, ...]

    def at(self, share: float) -> Place:
        """The place after `share` (0..1) of the way."""
        legs = list(zip(self.corners, self.corners[1:], strict=False))
        lengths = [math.dist((a.lat, a.lon), (b.lat, b.lon)) for a, b in legs]
        left = min(1.0, max(0.0, share)) * sum(lengths)
        for (a, b), length in zip(legs, lengths, strict=True):
            if left <= length:
                part = left / length if length else 0.0
                return Place(a.lat + (b.lat - a.lat) * part, a.lon + (b.lon - a.lon) * part)
            left -= length
        return self.corners[-1]


def route(start: Place, goal: Place, rng: random.Random) -> Route:
    """A stepped way from `start` to `goal` with three or four turns."""
    corners = [start]
    cuts = sorted(rng.uniform(0.15, 0.85) for _ in range(2))
    for cut in (*cuts, 1.0):
        lat = start.lat + (goal.lat - start.lat) * cut
        lon = start.lon + (goal.lon - start.lon) * cut
        corners += [Place(lat, corners[-1].lon), Place(lat, lon)]
    return Route(tuple(corners))
