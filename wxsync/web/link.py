"""One connection to an upstream, plain or TLS, with the same few operations. Floor: web.

A wait for the upstream is cut into slices, so that between them somebody can look whether the client is still there.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from math import ceil
from typing import Protocol

from wxsync.web.connection import timeval
from wxsync.web.limits import BLOCK

SLICE_S = 0.5


def slices(timeout_s: float) -> tuple[int, float]:
    """Return into how many equal slices, and of how many seconds, a wait is cut."""
    count = max(1, ceil(timeout_s / SLICE_S))
    return count, timeout_s / count


class Link(Protocol):
    """Used by one thread at a time. Errors of the connection are OSError, a full time-out TimeoutError."""

    returned_at: float  # when it came back to the pool; 0 for a new one

    def fileno(self) -> int:
        """The descriptor, to poll on."""

    def send(self, data: bytes) -> None:
        """Write all of it. An OSError other than TimeoutError means: nothing of it has left."""

    def send_some(self, data: bytes) -> int:
        """Write what can be written without waiting; return how many bytes that were."""

    def receive(self) -> bytes | None:
        """Return bytes that come within a slice, b"" at the end of the stream, None when none came."""

    def receive_now(self) -> bytes | None:
        """As receive, without waiting."""

    def is_usable(self) -> bool:
        """Tell whether the idle connection is neither ended nor poisoned by bytes that nobody asked for."""

    def close(self) -> None:
        """Close it; whatever was under way on it ends."""


class PlainLink:
    """A blocking socket with the kernel's time-outs: a wait is one system call."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self.returned_at = 0.0
        self._sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(slices(timeout_s)[1]))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(timeout_s))
        self.fileno = sock.fileno

    def send(self, data: bytes) -> None:
        """Write all of it. An OSError other than TimeoutError means: nothing of it has left."""
        try:
            # The kernel waits until all is taken; less comes back only when its time-out is over.
            if self._sock.send(data) == len(data):
                return
        except BlockingIOError:
            pass
        raise TimeoutError

    def send_some(self, data: bytes) -> int:
        """Write what can be written without waiting; return how many bytes that were."""
        try:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def receive(self) -> bytes | None:
        """Return bytes that come within a slice, b"" at the end of the stream, None when none came."""
        try:
            return self._sock.recv(BLOCK)
        except BlockingIOError:
            return None

    def receive_now(self) -> bytes | None:
        """As receive, without waiting."""
        try:
            return self._sock.recv(BLOCK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def is_usable(self) -> bool:
        """Tell whether the idle connection is neither ended nor poisoned by bytes that nobody asked for."""
        try:
            self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close it; whatever was under way on it ends."""
        self._sock.close()


class TlsLink:
    """TLS over a socket. Python has to keep the time-out here: OpenSSL would try again for ever."""

    def __init__(self, sock: socket.socket, timeout_s: float, context: ssl.SSLContext, host: str) -> None:
        self.returned_at = 0.0
        sock.settimeout(timeout_s)
        try:
            # A stream that ends without close_notify was cut off, not ended (RFC 9112 9.8).
            self._sock = context.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)
        except OSError:
            sock.close()
            raise
        self._slice_s = slices(timeout_s)[1]
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        self.fileno = self._sock.fileno

    def send(self, data: bytes) -> None:
        """Write all of it; an error after a part of it shows as TimeoutError, since it may have arrived."""
        try:
            self._sock.sendall(data)
        except socket.timeout as error:
            raise TimeoutError from error

    def send_some(self, data: bytes) -> int:
        """Write all of it, waiting: TLS has no half records."""
        self.send(data)
        return len(data)

    def receive(self) -> bytes | None:
        """Return bytes that come within a slice, b"" at the end of the stream, None when none came."""
        if not self._sock.pending() and not self._poll.poll(self._slice_s * 1000):
            return None
        try:
            return self._sock.recv(BLOCK)
        except socket.timeout:
            return None

    def receive_now(self) -> bytes | None:
        """As receive, without waiting; session tickets and the like are taken in on the way."""
        timeout_s = self._sock.gettimeout()
        self._sock.settimeout(0)
        try:
            return self._sock.recv(BLOCK)
        except ssl.SSLWantReadError:
            return None
        finally:
            self._sock.settimeout(timeout_s)

    def is_usable(self) -> bool:
        """Tell whether the idle connection is neither ended nor poisoned by bytes that nobody asked for."""
        with contextlib.suppress(OSError):
            return self.receive_now() is None
        return False

    def close(self) -> None:
        """Close it; whatever was under way on it ends."""
        self._sock.close()
