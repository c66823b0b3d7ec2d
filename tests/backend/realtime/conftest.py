"""Two processes of one installation and a Valkey of their own."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from subprocess import Popen
from typing import Any, cast

import pytest

from backend.bootstrap import build
from backend.pipeline.services import Services
from backend.settings import Settings
from backend.supervisor import valkey
from backend.supervisor.process import start_arguments
from tests.backend.realtime.houses import OwnValkey


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[OwnValkey]:
    """A Valkey that this module may kill, freeze and flush."""
    directory = Path("/tmp") / f"tripwarden-valkey-{tmp_path_factory.mktemp('v').name}-{time.time_ns()}"
    directory.mkdir(mode=0o755)
    prepared = valkey.prepare(directory)
    spec = prepared.spec()

    def start() -> Popen[bytes]:
        spec.prepare()
        command, options = start_arguments(spec)
        with (directory / "log").open("ab") as log:
            return cast("Any", Popen)(command, stdout=log, stderr=log, **options)

    made = OwnValkey(prepared.url, start)
    loop = asyncio.new_event_loop()
    while not loop.run_until_complete(prepared.ready()):
        time.sleep(0.02)
    loop.close()
    yield made
    made.kill()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
async def second(settings: Settings, services: Services) -> AsyncGenerator[Services]:
    """Another process of the same installation, in the same loop."""
    async with build(settings, producer="second") as built:
        yield built
