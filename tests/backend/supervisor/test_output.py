"""What `up` prints never stops what it runs."""

from __future__ import annotations

import io
import threading

from backend.supervisor import output
from backend.supervisor.output import Output


class Stuck(io.StringIO):
    """A terminal that stands still until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str, /) -> int:
        self.released.wait(5)
        return super().write(text)


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError


def test_words_go_to_stdout_and_lines_of_children_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    printing = Output(out, err).open()
    printing.say("ready")
    printing.relay("api-1", "hello")
    printing.close()
    assert out.getvalue() == "ready\n"
    assert err.getvalue() == "api-1     | hello\n"


def test_a_terminal_that_stands_still_blocks_nobody_and_what_was_dropped_is_counted() -> None:
    stuck = Stuck()
    printing = Output(stuck, stuck).open()
    for number in range(output.WAITING_LINES + 500):
        printing.say(f"line {number}")
    stuck.released.set()
    printing.close()
    printed = stuck.getvalue()
    assert "line 0\n" in printed
    assert "lines were dropped here" in printed


def test_a_reader_that_left_stops_nothing() -> None:
    err = io.StringIO()
    printing = Output(Gone(), err).open()
    printing.say("nobody hears this")
    printing.relay("worker", "still here")
    printing.close()
    assert "still here" in err.getvalue()
