"""Runs one command and ends it when the pipe on a given descriptor closes: `leash FD SIGNAL -- COMMAND...`.

For systems without a parent death signal. The pipe closes when `up` dies, however it dies.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    fd, death_signal, command = int(arguments[0]), int(arguments[1]), arguments[3:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    while child.poll() is None:
        readable, _, _ = select.select([fd], [], [], 0.2)
        if readable and not os.read(fd, 1):
            child.send_signal(death_signal)
            return child.wait()
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
