"""Ports and listening sockets on the loopback."""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path

from backend.settings import SettingError

#: Processes of a run that was killed a moment ago may still hold their ports.
PATIENCE_S = 2.0
#: Connections that wait while no api process accepts.
BACKLOG = 2048


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nobody listens on `port` now. Any other fault of the address is for `listen` to tell."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kept_port(file: Path) -> int:
    """The port of the last run if it is still free, else another; remembered in `file`."""
    try:
        port = int(file.read_text())
        if 0 < port < 65536 and is_free(port):
            return port
    except (FileNotFoundError, ValueError):
        pass
    port = free_port()
    file.write_text(f"{port}\n")
    return port


def check_free(port: int, flag: str, host: str = "127.0.0.1") -> None:
    """Raise SettingError naming `flag` when `port` is taken, also after a moment of patience."""
    deadline = time.monotonic() + PATIENCE_S
    while port and not is_free(port, host):
        if time.monotonic() > deadline:
            raise _taken(port, flag)
        time.sleep(0.1)


def listen(host: str, port: int, flag: str) -> socket.socket:
    """One listening TCP socket that several processes may share. Raises SettingError when the port is taken."""
    check_free(port, flag, host)
    listener = socket.socket(_family(host), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingError(flag, f"cannot listen on {host}:{port} ({error.strerror})", "another port") from error
    return listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _taken(port: int, flag: str) -> SettingError:
    return SettingError(flag, f"port {port} is in use by another program", f"another port ({flag} 0 picks a free one)")
