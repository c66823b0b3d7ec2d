"""The console as a process: it does not outlive whoever started it, and a taken port is an error."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import httpx

from tests.e2e.console_process import free_port

STARTER = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)"


def test_a_console_goes_when_its_supervisor_was_killed() -> None:
    port = free_port()
    command = [sys.executable, "-m", "console", "--port", str(port), "--api-url", "http://127.0.0.1:9"]
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *command])
    _until(lambda: _answers(port), 40)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    _until(lambda: not _answers(port), 10)


def test_a_taken_port_is_said_by_the_exit_status() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "console", "--port", str(taken.getsockname()[1])]
        assert subprocess.run(command, timeout=40, capture_output=True).returncode == 2


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/sign-in", trust_env=False, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _until(condition: object, within_s: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
