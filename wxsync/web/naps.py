"""Let slow heads sleep: a client that sends a byte a second must not cost a wake-up for each. Floor: web."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from wxsync.web.connection import Connection

FRESH_S = 0.1
LONGEST_S = 4.0


class Naps:
    """Used by the lobby's thread only.

    A nap lasts as long as the head has taken so far, so it makes a slow head at most twice as slow, and ten seconds of
    single bytes cost five looks.
    """

    def __init__(self) -> None:
        self._asleep: list[tuple[float, int, Connection]] = []
        self._number = 0  # tells equal times apart, so that connections are never compared

    def begin(self, connection: Connection, now: float) -> bool:
        """Put the connection to sleep unless its head is fresh; tell whether it sleeps."""
        taken = now - connection.begun
        if taken < FRESH_S:
            return False
        self._number += 1
        heapq.heappush(self._asleep, (now + min(LONGEST_S, taken), self._number, connection))
        return True

    def over(self, now: float) -> Iterator[Connection]:
        """Yield the connections whose nap is over; some may have been closed meanwhile."""
        while self._asleep and self._asleep[0][0] <= now:
            yield heapq.heappop(self._asleep)[2]

    def rest_s(self, longest: float, now: float) -> float:
        """Return how long the lobby may sleep."""
        return min(longest, max(0.001, self._asleep[0][0] - now)) if self._asleep else longest
