"""What the kernel knows of a connection and Python does not."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios

#: What the kernel keeps of one connection for a client that does not read (it doubles the figure). Left alone it grows
#: to megabytes, all of them before our own bounds see anything.
KERNEL_BYTES = 64 * 1024


def bound_kept(transport: asyncio.BaseTransport) -> None:
    """Let the kernel keep at most `KERNEL_BYTES` twice of what a client has not taken."""
    kept = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)


def untaken(transport: asyncio.WriteTransport) -> int:
    """Bytes written to a connection that its other end has not acknowledged; 0 where nobody can say.

    A client that takes what waits for it is alive, however late it answers a ping at the end of that. Source: tcp(7),
    SIOCOUTQ, which is TIOCOUTQ.
    """
    held = transport.get_write_buffer_size()
    kept = transport.get_extra_info("socket")
    try:
        sent: int = struct.unpack("i", fcntl.ioctl(kept.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    except (OSError, AttributeError, ValueError):
        return held
    return held + sent
