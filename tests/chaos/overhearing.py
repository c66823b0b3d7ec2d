"""An ear on Valkey: every command that any process sends there, searched for words. They only travel sealed."""

from __future__ import annotations

import asyncio
import contextlib

from tests.chaos.words import WORD

AGAIN_AFTER_S = 0.3
#: Longest command that is looked at whole, in bytes.
LONGEST = 2**22


class Ear:
    """Listens through MONITOR; comes back when Valkey does. `heard`: words; `commands`: how many it looked at."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.heard: set[str] = set()
        self.commands = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(OSError, ValueError):
                await self._listen()
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LONGEST)
        try:
            writer.write(b"MONITOR\r\n")
            while line := await reader.readline():
                self.commands += 1
                self.heard.update(WORD.findall(line.decode("latin-1")))
        finally:
            writer.close()
