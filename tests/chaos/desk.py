"""A moderator who decides on whatever waits: released, starred out or removed, by dice, while everything breaks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import httpx

OUTCOMES = {"release": 5, "mask": 3, "remove": 2}
PATIENCE_S = 6.0


class Desk:
    """Decides through the staff API of any process that answers."""

    def __init__(self, urls: list[str], token: str, seed: str) -> None:
        self._urls, self._headers = urls, {"Authorization": f"Bearer {token}"}
        self._rng = random.Random(f"{seed}/desk")
        self.decided: Counter[str] = Counter()
        self._client = httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False)

    async def run(self, pause_s: float) -> None:
        """Until cancelled: look, decide a few, rest."""
        while True:
            await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.5))
            await self.work(6)

    async def work(self, most: int) -> int:
        """Decide up to `most` cases; how many were open."""
        url = self._rng.choice(self._urls) + "/api/staff"
        try:
            listed = await self._client.get(f"{url}/cases", params={"limit": 50}, headers=self._headers)
            cases = listed.json()["items"] if listed.status_code == 200 else []
            for case in self._rng.sample(cases, min(most, len(cases))):
                await self._decide(url, case)
        except (httpx.HTTPError, ValueError):
            return 1  # nobody knows
        return len(cases) if listed.status_code == 200 else 1

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _decide(self, url: str, case: dict[str, Any]) -> None:
        claimed = await self._client.post(f"{url}/cases/{case['id']}/claim", headers=self._headers)
        if claimed.status_code != 200:
            self.decided[f"claim {claimed.status_code}"] += 1
            return
        outcome = self._rng.choices(list(OUTCOMES), list(OUTCOMES.values()))[0]
        messages = [{"message_id": one, "outcome": outcome} for one in claimed.json()["case"]["message_ids"]]
        body = {"messages": messages, "person": "none", "policy_cited": "conduct", "rationale": "because"}
        answer = await self._client.post(f"{url}/cases/{case['id']}/decisions", json=body, headers=self._headers)
        self.decided[outcome if answer.status_code == 201 else f"decision {answer.status_code}"] += 1
