"""What the lobby accepts from. Floor: web."""

from __future__ import annotations

from typing import Protocol

from wxsync.web.connection import Connection


class Listener(Protocol):
    """A listening socket that makes connections of what it accepts."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def accept(self, now: float) -> Connection:
        """Return the next connection; BlockingIOError when there is none."""

    def server_close(self) -> None:
        """Close the socket."""
