"""What the lobby accepts from, and how processes share it. Floor: web."""

from __future__ import annotations

from typing import Protocol

from wxsync.web.connection import Connection

LONGEST_S, HESITATION_S = 0.001, 0.00005
MANY, AT_ONCE = 32, 8


def share(open_connections: int) -> tuple[float, int]:
    """Return how long to hesitate before accepting beside other processes, and how many to accept then.

    All see the same connection: who has more hesitates longer, so they share evenly. With many connections chance
    shares evenly enough, and a crowd must not wait at the door.
    """
    if open_connections >= MANY:
        return 0.0, AT_ONCE
    return min(LONGEST_S, open_connections * HESITATION_S), 1


class Listener(Protocol):
    """A listening socket that makes connections of what it accepts."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def accept(self, now: float) -> Connection:
        """Return the next connection; BlockingIOError when there is none."""

    def server_close(self) -> None:
        """Close the socket."""
