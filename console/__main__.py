"""`python -m console`: serve the console until it is told to stop or the process that started it is gone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from console import settings

PARENT_CHECK_S = 1.0
GRACE_S = 2
WS_MAX_BYTES = 16 * 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; 0 after a clean end, 2 where the port is taken or a flag is wrong."""
    args = _parser().parse_args(argv)
    os.environ[settings.API_URL] = args.api_url
    os.environ.setdefault(settings.COOKIE, f"tripwarden_session_{args.port}")
    if args.secure_cookie:
        os.environ[settings.SECURE_COOKIE] = "1"
    _end_with_parent()
    return _serve(args.host, args.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m console", description="The staff console of Tripwarden.")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on (default 8501)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument(
        "--api-url",
        default=os.environ.get(settings.API_URL, settings.ConsoleSettings().api_url),
        help="where the api answers (default http://127.0.0.1:8000)",
    )
    parser.add_argument(
        "--secure-cookie", action="store_true", help="send the session cookie over https only (behind TLS)"
    )
    return parser


def _serve(host: str, port: int) -> int:
    import uvicorn  # slow to import, with streamlit behind it: `--help` needs neither

    from console.server import create_app
    from console.streamlit_settings import apply

    apply(host, port)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings.load()),
            host=host,
            port=port,
            ws="websockets-sansio",
            ws_max_size=WS_MAX_BYTES,
            ws_per_message_deflate=False,
            access_log=False,
            server_header=False,
            log_level="warning",
            # the live feed never ends by itself; without this a stop would wait for every open tab
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    try:
        server.run()
    except KeyboardInterrupt:
        return 0
    except SystemExit:  # uvicorn has said why it could not bind
        return 2
    return 0 if server.started else 2


def _end_with_parent() -> None:
    """A console whose supervisor was killed would hold its port for ever; so it goes too."""
    parent = os.getppid()
    if parent <= 1:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S + 3)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
