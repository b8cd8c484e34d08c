"""The bounds of the server, as the settings name them. Floor: web."""

from __future__ import annotations

from typing import Protocol

MOMENT_S = 0.01  # how long a thread waits for the next request before it parks the connection
BLOCK = 65536  # bytes read at once from a body
HEAD_BLOCK = 16384  # bytes read at once where a head is awaited: a smaller one is cheaper to make
LINGER_S = 2.0
LINGER_BYTES = 1 << 20


class Limits(Protocol):
    """The fields of settings.server that bound what clients may do; seconds and bytes."""

    @property
    def threads(self) -> int:
        """Requests served at the same time in this process."""

    @property
    def max_connections(self) -> int:
        """Open client connections of this process."""

    @property
    def head_timeout(self) -> float:
        """For a whole request head, from its first byte (of a first request: from the connection's beginning)."""

    @property
    def body_timeout(self) -> float:
        """Between two bytes of a request body."""

    @property
    def write_timeout(self) -> float:
        """For the client to take a block of the answer."""

    @property
    def idle_timeout(self) -> float:
        """From an answer to the first byte of the next request."""

    @property
    def max_request_line(self) -> int:
        """Bytes of the request line."""

    @property
    def max_head(self) -> int:
        """Bytes of the field lines."""

    @property
    def max_requests(self) -> int:
        """Requests on one connection."""
