"""`tripwarden up`, as a person runs it: children are killed, `up` itself is killed, and nothing is lost or left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest

from backend.settings import is_running
from backend.supervisor.engines import Engines, running
from backend.supervisor.ports import free_port
from tests.factories.tokens import bearer

pytestmark = pytest.mark.timeout(240)

STARTED_WITHIN_S = 120.0
BACK_WITHIN_S = 60.0
GONE_WITHIN_S = 20.0


def until(condition: Callable[[], object], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def tripwarden(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backend.cli", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


class Up:
    """One `tripwarden up` and what it prints."""

    def __init__(self, data_dir: Path, *flags: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / f"{data_dir.name}-{uuid4().hex[:6]}.log"
        command = [sys.executable, "-m", "backend.cli", "up", "--data-dir", str(data_dir), "--no-simulate"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", "--console-port", "0", *flags],
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.log.read_text()

    def wait_started(self) -> Up:
        until(lambda: "is ready" in self.said() or self.process.poll() is not None, STARTED_WITHIN_S, self.said())
        assert self.process.poll() is None, self.said()
        return self

    def url(self, name: str) -> str:
        found = re.search(rf"^ +{name} +(http://\S+)", self.said(), re.MULTILINE)
        assert found, self.said()
        return found[1]

    def password(self, email: str) -> str:
        found = re.search(rf"^ +{re.escape(email)} +(\S+)$", self.said(), re.MULTILINE)
        assert found, self.said()
        return found[1]

    def pids(self) -> dict[str, int]:
        """Name and pid of every child, as other commands see them."""
        return json.loads((self.data_dir / "runtime.json").read_text())["pids"]

    def everything(self) -> list[psutil.Process]:
        up = psutil.Process(self.process.pid)
        return [up, *up.children(recursive=True)]

    def is_well(self) -> bool:
        return answers_200(f"{self.url('API')}/health/ready")()

    def sign_in(self, email: str = "lead@tripwarden.local") -> httpx.Response:
        body = {"email": email, "password": self.password(email)}
        return httpx.post(f"{self.url('API')}/api/staff/session", json=body, timeout=10, trust_env=False)


def assert_all_gone(processes: list[psutil.Process], data_dir: Path) -> None:
    _, alive = psutil.wait_procs(processes, timeout=GONE_WITHIN_S)
    assert alive == []
    named = [one for one in psutil.process_iter(["cmdline"]) if str(data_dir) in " ".join(one.info["cmdline"] or [])]
    assert named == []


@pytest.fixture
def place() -> Generator[Path]:
    """A directory whose parents are open, as the system user that runs PostgreSQL for root needs it."""
    made = Path(tempfile.mkdtemp(prefix="tripwarden-up-", dir="/tmp" if os.geteuid() == 0 else None))
    made.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []
    plain = Up.__init__

    def noted(self: Up, *arguments: object, **environment: str) -> None:
        plain(self, *arguments, **environment)  # type: ignore[arg-type]
        started.append(self.process)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Up, "__init__", noted)
        yield made
    for process in started:
        process.kill()
        process.wait()
    shutil.rmtree(made, ignore_errors=True)


def kill_each_child(up: Up) -> None:
    for name, pid in up.pids().items():
        os.kill(pid, signal.SIGKILL)
        if name.startswith("api"):  # what waits at the shared socket is served by the other one
            assert httpx.get(f"{up.url('API')}/health/live", timeout=10, trust_env=False).status_code == 200
        until(lambda name=name, pid=pid: up.pids().get(name) not in (None, pid), BACK_WITHIN_S, f"{name} stays away")
        until(lambda name=name: f"{name} is back" in up.said(), BACK_WITHIN_S, f"{name} is not well: {up.said()}")
        until(up.is_well, BACK_WITHIN_S, f"not ready after {name} was killed: {up.said()}")


def test_children_come_back_and_a_killed_up_leaves_nothing_and_loses_nothing(place: Path) -> None:
    data_dir = place / "data"
    up = Up(data_dir).wait_started()
    assert set(up.pids()) == {
        *("postgres", "valkey", "simulator", "api-1", "api-2", "sweeper-1", "sweeper-2", "worker", "console"),
    }
    assert httpx.get(up.url("Console"), timeout=10, trust_env=False).status_code == 200

    second = tripwarden("up", "--data-dir", str(data_dir))
    assert second.returncode == 2
    assert "already runs" in second.stderr
    assert len(second.stderr.splitlines()) == 1

    trip = save_a_trip(up)
    kill_each_child(up)
    assert up.sign_in().status_code == 201

    everything = up.everything()
    up.process.kill()
    assert_all_gone(everything, data_dir)
    up.process.wait()
    assert tripwarden("settings", "--json", "--data-dir", str(data_dir)).returncode == 0

    again = Up(data_dir).wait_started()
    assert again.password("lead@tripwarden.local") == up.password("lead@tripwarden.local")
    assert has_the_trip(again, trip)
    everything = again.everything()
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(GONE_WITHIN_S) == 0
    assert_all_gone(everything, data_dir)
    assert not (data_dir / "runtime.json").exists()
    assert not is_running(data_dir)
    assert "Traceback" not in up.said() + again.said()


def save_a_trip(up: Up) -> str:
    """A trip of the platform's; returns its id."""
    trip = str(uuid4())
    key = tripwarden("token", "--role", "service", "--sub", "platform", "--data-dir", str(up.data_dir)).stdout.strip()
    people = {side: {"id": str(uuid4()), "name": side, "locale": "en"} for side in ("driver", "customer")}
    answer = httpx.put(
        f"{up.url('API')}/api/platform/trips/{trip}",
        json={"market": "default", "status": "accepted", **people},
        headers=bearer(key),
        timeout=10,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return trip


def has_the_trip(up: Up, trip: str) -> bool:
    key = tripwarden("token", "--role", "staff", "--sub", "lead", "--data-dir", str(up.data_dir)).stdout.strip()
    answer = httpx.get(
        f"{up.url('API')}/api/staff/trips/{trip}?purpose=safety_review",
        headers=bearer(key),
        timeout=10,
        trust_env=False,
    )
    return answer.is_success


def test_engines_that_are_given_by_address_keep_the_embedded_ones_off(
    place: Path, database_url: str, redis_url: str
) -> None:
    given = {"TRIPWARDEN_DATABASE_URL": database_url, "TRIPWARDEN_REDIS_URL": redis_url}
    up = Up(place / "data", "--no-console", "--api-workers", "1", **given).wait_started()
    assert set(up.pids()) == {"simulator", "api-1", "sweeper-1", "sweeper-2", "worker"}
    assert up.sign_in().status_code == 201
    everything = up.everything()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(GONE_WITHIN_S) == 0
    assert_all_gone(everything, place / "data")
    assert not (place / "data" / "postgres").exists()


def test_an_ephemeral_one_leaves_no_directory(place: Path, database_url: str, redis_url: str) -> None:
    environment = {"TRIPWARDEN_DATABASE_URL": database_url, "TRIPWARDEN_REDIS_URL": redis_url, "TMPDIR": str(place)}
    command = [sys.executable, "-m", "backend.cli", "up", "--ephemeral", "--no-simulate", "--no-console", "--port", "0"]
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: list(place.glob("tripwarden-ephemeral-*/runtime.json")), STARTED_WITHIN_S, "it does not start")
        process.send_signal(signal.SIGTERM)
        assert process.wait(GONE_WITHIN_S) == 0
    finally:
        process.kill()
    assert list(place.glob("tripwarden-ephemeral-*")) == []


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        ([], {"TRIPWARDEN_LIMIT_MESSAGES_PER_S": "many"}, ["TRIPWARDEN_LIMIT_MESSAGES_PER_S", "a number from"]),
        (["--api-workers", "0"], {}, ["--api-workers", "0 is not from 1 to 64"]),
        (["--ephemeral"], {}, ["--ephemeral", "--data-dir"]),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_made(
    place: Path, flags: list[str], environment: dict[str, str], words: list[str]
) -> None:
    done = tripwarden("up", "--data-dir", str(place / "data"), *flags, **environment)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr
    assert not (place / "data").exists()


def test_a_taken_port_is_named_with_its_flag(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = tripwarden("up", "--data-dir", str(place / "data"), "--port", port)
    assert done.returncode == 2
    assert f"--port: port {port} is in use" in done.stderr


def test_a_database_that_does_not_answer_is_one_line_and_leaves_nothing(place: Path) -> None:
    nowhere = "postgresql://u:hunter2@127.0.0.1:1/d"
    done = tripwarden("up", "--data-dir", str(place / "data"), "--port", "0", TRIPWARDEN_DATABASE_URL=nowhere)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("tripwarden: PostgreSQL is not reachable")
    assert "hunter2" not in done.stdout + done.stderr
    assert_all_gone([], place / "data")


def test_an_engine_that_does_not_start_is_named_with_its_last_words(place: Path, redis_url: str) -> None:
    data_dir = place / "data"
    with running(data_dir):
        pass
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    done = tripwarden("up", "--data-dir", str(data_dir), "--port", "0", "--no-console", TRIPWARDEN_REDIS_URL=redis_url)
    assert done.returncode == 1
    assert "postgres does not start" in done.stderr
    assert "FATAL" in done.stderr
    assert_all_gone([], data_dir)


def test_each_process_runs_alone_on_engines_given_by_address(engines: Engines, redis_url: str, place: Path) -> None:
    name = f"alone_{uuid4().hex}"
    given = {"TRIPWARDEN_DATABASE_URL": engines.postgres.url(name), "TRIPWARDEN_REDIS_URL": redis_url}
    asyncio.run(execute(engines.postgres.url("postgres"), f'CREATE DATABASE "{name}"'))
    assert tripwarden("migrate", "--data-dir", str(place), **given).returncode == 0
    port = str(free_port())
    command = [sys.executable, "-m", "backend.cli", "api", "--port", port, "--data-dir", str(place)]
    api = subprocess.Popen(command, env=os.environ | given, stderr=subprocess.DEVNULL)
    try:
        until(answers_200(f"http://127.0.0.1:{port}/health/ready"), STARTED_WITHIN_S, "the api does not answer")
    finally:
        api.terminate()
        api.wait(GONE_WITHIN_S)


def answers_200(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return httpx.get(url, timeout=3, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    return ask


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
