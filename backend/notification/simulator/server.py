"""The simulator on a port: `python -m backend.notification.simulator --port 9100`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvicorn

from backend import settings as all_settings
from backend.notification.simulator.app import create_app
from backend.notification.simulator.exchange import SimulatorConfig
from backend.notification.simulator.fcm import read_account
from backend.notification.simulator.people import COMPANY_NUMBER, DEFAULT_PEOPLE, Person
from backend.notification.simulator.spoiling import Connections, Spoiling, protocol_for


def server_for(config: SimulatorConfig, host: str, port: int) -> uvicorn.Server:
    """A server that is not running yet; `await server.serve()` runs it."""
    app = create_app(config)
    connections: Connections = {}
    return uvicorn.Server(
        uvicorn.Config(
            Spoiling(app, app.state.exchange, connections),
            host=host,
            port=port,
            http=protocol_for(connections),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulator", description="Twilio over real HTTP, with scripted people.")
    parser.add_argument("--host", default="127.0.0.1", help="address that it listens on")
    parser.add_argument("--port", type=int, default=9100, help="port that it listens on")
    parser.add_argument("--public-url", default="", help="where our webhooks are; default: from the settings")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument("--seed", type=int, default=7, help="seed of the timings")
    parser.add_argument("--people", type=Path, help="JSON file with the people instead of the default ones")
    return parser


def configure(options: argparse.Namespace, settings: all_settings.Settings) -> SimulatorConfig:
    """Credentials and our number come from the settings, so that no secret stands on a command line."""
    twilio = settings.twilio
    public_url = options.public_url or settings.api.public_url or f"http://127.0.0.1:{settings.api.port}"
    people = DEFAULT_PEOPLE
    if options.people is not None:
        people = msgspec.json.decode(options.people.read_bytes(), type=tuple[Person, ...])
    defaults = SimulatorConfig()
    return SimulatorConfig(
        account_sid=twilio.account_sid or defaults.account_sid,
        auth_token=twilio.auth_token or defaults.auth_token,
        own_numbers=frozenset({twilio.from_number or COMPANY_NUMBER}),
        sms_url=public_url.rstrip("/") + "/api/twilio/sms",
        speed=options.speed,
        seed=options.seed,
        people=people,
        firebase=read_account(Path(settings.push.credentials_file)) if settings.push.credentials_file else None,
    )


def main(argv: Sequence[str], data_dir: Path | None = None) -> int:
    """Run until stopped. `data_dir` is where the running installation keeps its settings."""
    options = _parser().parse_args(argv)
    config = configure(options, all_settings.load(data_dir=data_dir))
    server_for(config, options.host, options.port).run()
    return 0
