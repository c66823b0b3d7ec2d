"""The console as a process of its own, and Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest

START_WITHIN_S = 40.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def browser_path() -> str:
    """Chromium on this machine; skips where there is none, which CI does not accept."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        assert os.environ.get("CI") != "true", "CI has to install Chromium (make test does)"
        pytest.skip("no Chromium here: install it to run the browser test")
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def console(api_url: str) -> Generator[str]:
    """`http://127.0.0.1:PORT` of a console in front of `api_url`."""
    port = free_port()
    command = [sys.executable, "-m", "console", "--port", str(port), "--api-url", api_url]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError("the console did not end within 10 s of SIGTERM") from None


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        assert process.poll() is None, "the console ended at its start"
        assert time.monotonic() < deadline, "the console did not start in time"
        try:
            if httpx.get(f"{url}/_stcore/health", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
