"""A small world for the console's tests, made through the api alone: trips, what people say in them, an emergency."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.factories.tokens import Tokens, bearer

THREAT = "I will find you and kill you"
PHONE = "call me on +7 701 555 01 99"


@dataclass
class MadeTrip:
    """A trip under way between two people."""

    id: UUID = field(default_factory=uuid4)
    driver: UUID = field(default_factory=uuid4)
    customer: UUID = field(default_factory=uuid4)
    driver_name: str = "Daulet K."
    customer_name: str = "Aigerim S."


class World:
    """Acts on a running api as the platform, a driver or a rider. Every refusal fails the test."""

    def __init__(self, api_url: str, tokens: Tokens) -> None:
        self.api_url, self.tokens = api_url, tokens
        self._http = httpx.Client(base_url=api_url, timeout=15, trust_env=False)

    def trip(self, driver_name: str = "Daulet K.") -> MadeTrip:
        """A trip in transit."""
        made = MadeTrip(driver_name=driver_name)
        body = {
            "market": "default",
            "status": "in_transit",
            "driver": {"id": str(made.driver), "name": made.driver_name, "locale": "en", "rating": 4.7},
            "customer": {"id": str(made.customer), "name": made.customer_name, "locale": "en"},
            "vehicle": {"make": "Toyota", "model": "Camry", "colour": "white", "plate": "100 ABC 02"},
        }
        self._call("PUT", f"/api/platform/trips/{made.id}", self.tokens.service(), body)
        return made

    def say(self, trip: MadeTrip, text: str, by: str = "driver") -> dict[str, Any]:
        """A message of one of the two; the flat message object."""
        body = {"content": text, "messageType": "text", "clientMessageId": str(uuid4())}
        return self._call("POST", f"/api/trips/{trip.id}/messages", self._token(trip, by), body)

    def history(self, trip: MadeTrip, by: str) -> list[dict[str, Any]]:
        """What this side reads."""
        return self._call("GET", f"/api/trips/{trip.id}/messages", self._token(trip, by))["items"]

    def press(self, trip: MadeTrip, note: str = "he does not stop") -> dict[str, Any]:
        """The rider presses the help button."""
        body = {"clientRequestId": str(uuid4()), "note": note, "location": {"lat": 43.2, "lon": 76.9, "accuracyM": 8}}
        return self._call("POST", f"/api/trips/{trip.id}/emergency", self._token(trip, "customer"), body)

    def _token(self, trip: MadeTrip, by: str) -> str:
        if by == "driver":
            return self.tokens.driver(trip.driver, trip=trip.id)
        return self.tokens.customer(trip.customer, trip=trip.id)

    def _call(self, method: str, path: str, token: str, body: object = None) -> Any:
        answer = self._http.request(method, path, json=body, headers=bearer(token))
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()
