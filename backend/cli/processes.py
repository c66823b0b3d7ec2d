"""The verbs that run one process each. `tripwarden up` starts its children through them, too."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from backend import logs
from backend.cli.arguments import parser, read_settings, with_database, with_engines
from backend.settings import Settings


def migrate(argv: list[str], data_dir: Path | None) -> int:
    """`tripwarden migrate`."""
    parser("migrate").parse_args(argv)
    settings = with_database(read_settings(data_dir))
    from backend.migrations import migrate_now

    migrate_now(settings.database.url)
    return 0


def api(argv: list[str], data_dir: Path | None) -> int:
    """`tripwarden api`: on its own port, or on a listening socket that `up` shares among several."""
    options = _process_parser("api")
    options.add_argument("--port", type=int, help="port to listen on (default: TRIPWARDEN_API_PORT)")
    options.add_argument("--fd", type=int, help="listen on this inherited socket instead")
    chosen, settings = _begin("api", options, argv, data_dir)
    from backend.cli.serving import serve

    return serve(with_engines(settings), port=chosen.port, fd=chosen.fd, ready=_teller(chosen))


def worker(argv: list[str], data_dir: Path | None) -> int:
    """`tripwarden worker`."""
    chosen, settings = _begin("worker", _process_parser("worker"), argv, data_dir)
    from backend.worker import run

    return run(with_engines(settings), settings.log.process or "worker", _teller(chosen))


def sweeper(argv: list[str], data_dir: Path | None) -> int:
    """`tripwarden sweeper`."""
    chosen, settings = _begin("sweeper", _process_parser("sweeper"), argv, data_dir)
    from backend.sweeper import run

    return run(with_engines(settings), settings.log.process or "sweeper", _teller(chosen))


def console(argv: list[str], data_dir: Path | None) -> int:
    """`tripwarden console`: becomes the console's own process, which knows nothing of the backend."""
    options = parser("console")
    options.add_argument("--port", type=int, help="port to listen on (default: TRIPWARDEN_CONSOLE_PORT)")
    options.add_argument("--api-url", help="where the api is (default: TRIPWARDEN_CONSOLE_API_URL)")
    chosen, settings = _begin("console", options, argv, data_dir)
    port = settings.console.port if chosen.port is None else chosen.port
    url = chosen.api_url or settings.console.api_url or f"http://127.0.0.1:{settings.api.port}"
    command = [sys.executable, "-m", "console", "--port", str(port), "--api-url", url]
    os.execv(sys.executable, command)  # noqa: S606  (no shell, our own module)


def simulator(argv: list[str], data_dir: Path | None) -> int:
    """`tripwarden simulator`: a telephone company on this machine."""
    _configure_logs("simulator", read_settings(data_dir))
    from backend.notification.simulator.server import main

    return main(argv, data_dir)


def _process_parser(verb: str) -> argparse.ArgumentParser:
    options = parser(verb)
    options.add_argument("--ready-fd", type=int, help="write a byte to this inherited pipe once it works")
    return options


def _teller(chosen: argparse.Namespace) -> Callable[[], None]:
    """Tells whoever started this process that it works, and ends what `_begin` began."""

    def tell() -> None:
        gc.collect()
        gc.freeze()  # what was imported stays for ever: no later collection looks through it again
        gc.enable()
        if chosen.ready_fd is not None:
            os.write(chosen.ready_fd, b"1")
            os.close(chosen.ready_fd)

    return tell


def _begin(
    verb: str, options: argparse.ArgumentParser, argv: list[str], data_dir: Path | None
) -> tuple[argparse.Namespace, Settings]:
    chosen = options.parse_args(argv)
    settings = read_settings(data_dir)
    _configure_logs(verb, settings)
    gc.disable()  # a tenth of the start goes into collecting while everything is imported
    return chosen, settings


def _configure_logs(verb: str, settings: Settings) -> None:
    logs.configure(settings.log.process or verb, level=settings.log.level, json=settings.log.json)
