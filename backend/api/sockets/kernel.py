"""What the kernel knows of a connection and Python does not."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios


def untaken(transport: asyncio.WriteTransport) -> int:
    """Bytes written to a connection that its other end has not acknowledged; 0 where nobody can say.

    A client that takes what waits for it is alive, however late it answers a ping at the end of that. Source: tcp(7),
    SIOCOUTQ, which is TIOCOUTQ.
    """
    held = transport.get_write_buffer_size()
    socket = transport.get_extra_info("socket")
    try:
        sent: int = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    except (OSError, AttributeError, ValueError):
        return held
    return held + sent
