"""One request to a remote service and its answer, and what carries them; the pure clients know only this.

Floor: remote, pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Request:
    """What to send; headers are (name, value) pairs. Secrets may stand in url and headers: neither is logged whole."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


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
