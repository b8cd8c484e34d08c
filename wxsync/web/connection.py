"""One client connection: reading, writing, time-outs. Floor: web.

Sockets stay blocking and the kernel keeps the time-outs (SO_RCVTIMEO, SO_SNDTIMEO): Python's own time-outs make two
system calls of each. A time-out shows as BlockingIOError.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any, Callable

from wxsync.http1.refusal import Refusal
from wxsync.http1.request import RequestHead
from wxsync.web.limits import BLOCK, HEAD_BLOCK, MOMENT_S, Limits

Find = Callable[[RequestHead], Callable[[Any], None]]

DONTWAIT = socket.MSG_DONTWAIT


class ClientGone(Exception):
    """The client has left, or does not take its answer; nobody is there to be told."""


def timeval(seconds: float) -> bytes:
    """Return the seconds as the struct timeval of the kernel; never 0, which would mean for ever."""
    microseconds = max(1, round(seconds * 1_000_000))
    return struct.pack("@ll", *divmod(microseconds, 1_000_000))


class Connection:
    """Owned by one thread at a time: the lobby's while it waits, a worker's while a request is served.

    begun: when the first byte of the head that is being read came (of a fresh connection: when it was accepted).
    """

    __slots__ = ("begun", "buffer", "fd", "find", "limits", "lingered", "peer", "queued_at", "served", "sock")

    def __init__(self, sock: socket.socket, peer: str, find: Find, limits: Limits, now: float) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = peer
        self.find = find  # the routes of the listener it came to
        self.limits = limits
        self.buffer = b""
        self.served = 0
        self.begun = now
        self.queued_at = 0.0
        self.lingered = 0

    def receive_moment(self) -> bytes | None:
        """Return bytes that come within a moment, b"" at the end, None when none came."""
        try:
            return self.sock.recv(HEAD_BLOCK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def receive_now(self, size: int = HEAD_BLOCK) -> bytes | None:
        """Return bytes that are there already, b"" at the end, None when there are none."""
        try:
            return self.sock.recv(size, DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def receive(self, size: int = BLOCK) -> bytes:
        """Return bytes of a body, waiting for them; Refusal (408) when none come in time, ClientGone at the end."""
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            data = self._receive_patiently(size)
        except OSError as error:
            raise ClientGone from error
        if not data:
            raise ClientGone
        return data

    def _receive_patiently(self, size: int) -> bytes:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(self.limits.body_timeout))
        try:
            return self.sock.recv(size)
        except BlockingIOError:
            raise Refusal(408, "no byte of the body in time") from None
        except OSError as error:
            raise ClientGone from error
        finally:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(MOMENT_S))

    def send(self, data: bytes) -> None:
        """Write all of it; ClientGone when the client does not take it within write_timeout."""
        try:
            # One call writes everything unless the kernel's time-out comes in between.
            if self.sock.send(data) == len(data):
                return
        except OSError as error:
            raise ClientGone from error
        raise ClientGone

    def is_gone(self) -> bool:
        """Tell whether the client has closed its side, as far as can be seen now."""
        try:
            return not self.sock.recv(1, DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def finish_writing(self) -> bool:
        """Send the end of the stream; tell whether the client has ended its own, so that closing is safe at once."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return True
        return self.receive_now() == b""

    def close(self) -> None:
        """Close the socket; what the client still sends is answered by a reset."""
        self.sock.close()

    def interrupt(self) -> None:
        """End both directions from another thread: whoever waits on the socket wakes up."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close so that the client sees an error, where a plain close would look like the end of the answer."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
