"""End a connection as broken peers do: by a reset. Floor: sandbox."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time


def reset(connection: socket.socket) -> None:
    """Send RST instead of FIN; what still waits to be sent is dropped."""
    # Lingering for zero seconds makes close() do that.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_when_sent(connection: socket.socket) -> None:
    """Reset once the other side has all that was written, or after a second."""
    for _ in range(200):
        if struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0] == 0:
            break
        time.sleep(0.005)
    reset(connection)
