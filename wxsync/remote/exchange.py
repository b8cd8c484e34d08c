"""One request to a remote service and its answer, and what carries them; the pure clients know only this.

Floor: remote, pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Union

SILENCE_S = 30.0  # the longest wait for a connection, a head or the next bytes of a body, unless told


class Pieces(Protocol):
    """A body that is made while it is sent; it can be sent once. What its iterator raises ends the request."""

    length: int  # bytes in all; becomes Content-Length

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the bytes in order; a piece is used before the next one is asked for."""


Body = Union[bytes, bytearray, memoryview, Pieces]


@dataclass(frozen=True)
class Request:
    """What to send; headers are (name, value) pairs. Secrets may stand in url and headers: neither is logged whole."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None


@dataclass(frozen=True)
class Response:
    """What came back, whole: any status, redirects too, body already read and bounded."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of the field, the name compared without case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


class Transport(Protocol):
    """Carries one request; follows no redirect, raises on no status.

    Raises RemoteFault (temporary) when no whole answer came within timeout_s or it exceeded max_bytes;
    maybe_done tells whether the request could have reached the service.
    """

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        """Send the request and return the whole answer."""


class Incoming(Protocol):
    """An answer whose head has come; its body is read piece by piece, by one thread, and it must be closed."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int | None  # bytes of the body that the head announces, None: not announced

    def header(self, name: str) -> str | None:
        """Return the first value of the field, the name compared without case, or None."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next and return how many bytes, 0 at the body's sound end.

        Raises RemoteFault (temporary) when the body is cut short, broken, silent for too long, or the deadline is over.
        """

    def close(self) -> None:
        """Let go; the connection is used again only when the body was read to its end."""


class Session(Protocol):
    """Carries one request after the other over a connection to each origin that is kept; one thread at a time.

    A session ends with `close`. It is also a Transport.
    """

    def open(self, request: Request, *, deadline: float, silence_s: float = SILENCE_S) -> Incoming:
        """Send the request and return its answer when the head is there, whatever the status.

        deadline: instant of the clock's monotonic time at which all of it, the body too, must be over.
        Raises RemoteFault as Transport does, AddressRefused when the policy forbids the address, and
        `remote.stop.Stopped` within a second after the session's stop was set, also while it dials or waits.
        """

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        """Send the request and return the whole answer, as Transport does."""

    def close(self) -> None:
        """Close every connection."""
