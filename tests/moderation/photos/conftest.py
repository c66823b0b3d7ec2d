"""One worker for all tests that do not break theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moderation.photos import Limits, PhotoPipeline, Workers


@pytest.fixture(scope="session")
def photos() -> Iterator[PhotoPipeline]:
    with PhotoPipeline(workers=Workers(Limits(photos_per_worker=1000))) as pipeline:
        yield pipeline
