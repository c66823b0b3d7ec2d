"""What `up` prints: its own words to stdout, its children's lines to stderr, each with its name in front.

A thread of its own writes, so that a terminal that stands still (Ctrl-S, a pipe nobody reads) stops no process;
when too much waits, lines are dropped and counted.
"""

from __future__ import annotations

import queue
import sys
import threading
from typing import TextIO

WAITING_LINES = 20_000
NAME_WIDTH = 9
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class Output:
    """Lines to the terminal. Start with `open`, end with `close`, which waits a second for what is left."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._lines: queue.Queue[tuple[TextIO, str] | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._colours: dict[str, int] = {}
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)

    def open(self) -> Output:
        self._thread.start()
        return self

    def close(self) -> None:
        self._put(None)
        self._thread.join(1.0)

    def say(self, text: str) -> None:
        """Words of `up` itself."""
        self._put((self._out, text))

    def relay(self, name: str, line: str) -> None:
        """One line of the child `name`."""
        self._put((self._err, f"{self._label(name)} {line}"))

    def _label(self, name: str) -> str:
        label = f"{name:<{NAME_WIDTH}} |"
        if not self._err.isatty():
            return label
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\033[{colour}m{label}\033[0m"

    def _put(self, item: tuple[TextIO, str] | None) -> None:
        try:
            self._lines.put_nowait(item)
        except queue.Full:
            self._dropped += 1

    def _write_all(self) -> None:
        while (item := self._lines.get()) is not None:
            stream, text = item
            if self._dropped and self._lines.qsize() < WAITING_LINES // 2:
                text, self._dropped = f"{text}\n... {self._dropped} lines were dropped here", 0
            try:
                stream.write(text + "\n")
                stream.flush()
            except (OSError, ValueError):  # whoever read it is gone; the product goes on
                continue
