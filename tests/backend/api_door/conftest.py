"""An installation whose limits do not get into the way of comparing."""

from __future__ import annotations

from collections import Counter

import pytest
from litestar.datastructures import State

from backend.api.door import protocol
from backend.settings import Settings, load


@pytest.fixture(scope="package")
def roomy() -> dict[str, str]:
    """Limits that nobody meets."""
    return {
        "TRIPWARDEN_LIMIT_MESSAGES_PER_S": "10000",
        "TRIPWARDEN_LIMIT_MESSAGES_BURST": "10000",
        "TRIPWARDEN_LIMIT_TRIP_MESSAGES_PER_S": "10000",
        "TRIPWARDEN_LIMIT_TRIP_MESSAGES_BURST": "10000",
        "TRIPWARDEN_LIMIT_REQUESTS_PER_S_LOOPBACK": "100000",
    }


@pytest.fixture(scope="module")
def settings(
    database_url: str, redis_url: str, roomy: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Settings of this module, with room."""
    given = {
        "TRIPWARDEN_DATABASE_URL": database_url,
        "TRIPWARDEN_REDIS_URL": redis_url,
        "TRIPWARDEN_LOG_LEVEL": "error",
    }
    return load(given | roomy, data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many calls were begun on the short way, under `short`."""
    taken, begin = Counter[str](), protocol.ShortCall.begin

    def counted(call: protocol.ShortCall, state: State, wanted: protocol.Wanted) -> bool:
        taken["short"] += 1
        return begin(call, state, wanted)

    monkeypatch.setattr(protocol.ShortCall, "begin", counted)
    return taken
