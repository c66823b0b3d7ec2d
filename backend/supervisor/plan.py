"""Which processes make up the product, and with which settings each of them runs."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from backend.settings import PREFIX, Settings, unknown_settings
from backend.supervisor.health import answers
from backend.supervisor.process import ChildSpec

#: `tripwarden roll` sends it to `up`.
ROLL_SIGNAL = signal.SIGUSR1

SIMULATED_NUMBER = "+15005550006"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person who starts `up` asked for. Ports: 0 picks a free one."""

    data_dir: Path
    port: int
    console_port: int
    console: bool = True
    api_workers: int = 2
    sweepers: int = 2
    ephemeral: bool = False
    simulate: bool = True
    trips: int = 12


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything is, known once the engines stand and the ports are chosen."""

    data_dir: Path
    host: str
    database_url: str
    redis_url: str
    api_port: int
    console_port: int
    simulator_port: int

    @property
    def api_url(self) -> str:
        """How this machine reaches the api."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://{host}:{self.api_port}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"


def effective(settings: Settings, places: Places) -> dict[str, str]:
    """The settings that `up` decides, by their keys: its children and `runtime.json` get them."""
    decided = {
        "database_url": places.database_url,
        "redis_url": places.redis_url,
        "api_port": str(places.api_port),
        "api_public_url": settings.api.public_url or places.api_url,
        "console_port": str(places.console_port),
        "console_api_url": settings.console.api_url or places.api_url,
    }
    if not settings.twilio.account_sid:
        decided |= {
            "twilio_account_sid": "AC" + secrets.token_hex(16),
            "twilio_auth_token": secrets.token_hex(16),
            "twilio_from_number": SIMULATED_NUMBER,
            "twilio_api_base": f"http://127.0.0.1:{places.simulator_port}",
        }
        if not settings.push.credentials_file:
            decided |= _simulated_push(places)
    return decided


def _simulated_push(places: Places) -> dict[str, str]:
    """The local Firebase stands beside the simulated telephones, and pushes with an account of its own."""
    from backend.notification.simulator import fcm  # slow to import; a wrong flag is told at once

    base = f"http://127.0.0.1:{places.simulator_port}{fcm.PATH}"
    account = fcm.ensure_account(places.data_dir / "keys" / "simulated-firebase.json")
    return {"push_credentials_file": str(account), "push_api_base": base, "push_token_url": f"{base}/token"}


def environment(env: Mapping[str, str], data_dir: Path, decided: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: ours, without names that are no settings, with what `up` decided."""
    strange = {name for name, _ in unknown_settings(env)}
    kept = {name: value for name, value in env.items() if name not in strange}
    for_the_eye = {PREFIX + "LOG_JSON": "false"} if sys.stderr.isatty() else {}
    decided_here = {PREFIX + key.upper(): value for key, value in decided.items()}
    return for_the_eye | kept | decided_here | {PREFIX + "DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}


class Plan:
    """The children of the product in the order of their start: stages, each started together."""

    def __init__(
        self, options: Options, places: Places, env: Mapping[str, str], listener: int, *, simulated_phones: bool
    ) -> None:
        self._options, self._places, self._env, self._listener = options, places, env, listener
        self.simulated_phones = simulated_phones

    def aside(self) -> list[ChildSpec]:
        """Those that need neither engines nor schema to start."""
        phones = [self._simulator()] if self.simulated_phones else []
        return [*phones, *([self._console()] if self._options.console else [])]

    def stages(self) -> list[list[ChildSpec]]:
        """Every stage is well before the next one starts; they stop in reverse."""
        options = self._options
        apis = [self._api(number) for number in range(1, options.api_workers + 1)]
        names = [*(f"sweeper-{number}" for number in range(1, options.sweepers + 1)), "worker"]
        others = [replace(self._verb(name, name.partition("-")[0]), tells_ready=True) for name in names]
        city = [[self._verb("city", "simulate", "--trips", str(options.trips))]] if options.simulate else []
        return [[*apis, *others], *city]

    def _verb(self, name: str, verb: str, *arguments: str) -> ChildSpec:
        """A verb of ours. `-P`: whatever lies in the working directory is no package of ours."""
        data_dir = str(self._places.data_dir)
        command = [sys.executable, "-P", "-m", "backend.cli", verb, "--data-dir", data_dir, *arguments]
        return ChildSpec(name=name, command=command, env={**self._env, PREFIX + "LOG_PROCESS": name})

    def _api(self, number: int) -> ChildSpec:
        plain = self._verb(f"api-{number}", "api", "--fd", str(self._listener))
        live = answers(f"{self._places.api_url}/health/live")
        return replace(plain, pass_fds=(self._listener,), tells_ready=True, ready=live)

    def _simulator(self) -> ChildSpec:
        port = self._places.simulator_port
        plain = self._verb("simulator", "simulator", "--port", str(port))
        return replace(plain, ready=answers(f"http://127.0.0.1:{port}/", below=600))

    def _console(self) -> ChildSpec:
        port, api_url = self._places.console_port, self._places.api_url
        return ChildSpec(
            name="console",
            command=[sys.executable, "-P", "-m", "console", "--port", str(port), "--api-url", api_url],
            env=without_secrets(self._env),
            ready=answers(f"{self._places.console_url}/_stcore/health"),
        )


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """The console talks to the api alone: it gets its own settings and none of the others."""
    ours = PREFIX + "CONSOLE_"
    return {name: value for name, value in env.items() if not name.startswith(PREFIX) or name.startswith(ours)}
