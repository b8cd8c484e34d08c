"""Is a download fast enough? Judged over time spent waiting for it alone. Floor: remote, pure."""

from __future__ import annotations

WINDOW_S = 60.0


class RateWatch:
    """Counts bytes and the time that was waited for them, window by window."""

    def __init__(self, min_rate: float) -> None:
        self._min_rate = min_rate
        self._waited_s = 0.0
        self._received = 0

    def is_too_slow(self, waited_s: float, received: int) -> bool:
        """Count one wait and what it brought; tell at a window's end whether it was below the rate."""
        self._waited_s += waited_s
        self._received += received
        if self._waited_s < WINDOW_S:
            return False
        is_slow = self._received < self._min_rate * self._waited_s
        self._waited_s, self._received = 0.0, 0
        return is_slow
