"""Tokens for the people of the city, minted with the key file of the data directory."""

from __future__ import annotations

from backend.accounts.tokens import TokenService
from backend.city.dialogue import Role

#: A participant's token lives this long, in seconds; each new connection takes a fresh one.
LIFE_S = 3600


class CityTokens:
    """What an identity provider is to real apps."""

    def __init__(self, tokens: TokenService) -> None:
        self._tokens = tokens

    def participant(self, role: Role, user_id: str, trip_id: str) -> str:
        """A token of a driver or rider for one trip."""
        return self._tokens.mint(role, user_id, trip=trip_id, ttl_s=LIFE_S)

    def service(self) -> str:
        """A token of the ride platform."""
        return self._tokens.mint("service", "city", ttl_s=LIFE_S)
