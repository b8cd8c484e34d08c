"""How far one image is, and how much of it had to be moved. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Abandoned(Exception):
    """Another part of the image has failed: this one is not worth going on with."""


class Tally:
    """The bytes of one image. Several threads copy its blobs, so every method may be called by any."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        """report is told done and total bytes whenever they change."""
        self._report = report
        self._lock = threading.Lock()
        self._at: dict[str, int] = {}
        self.fault: BaseException | None = None  # the first one, for which all was abandoned
        self.total = 0
        self.moved = 0

    def expect(self, total: int) -> None:
        """Note how many bytes the image has."""
        with self._lock:
            self.total = total
        self._report(0, total)

    def at(self, digest: str, position: int, moved: int) -> None:
        """Note that a blob is so far, and that so many bytes more came from the source. Raises Abandoned."""
        with self._lock:
            self._at[digest] = position
            self.moved += moved
            done = min(self.total, sum(self._at.values()))
            if self.fault is not None:
                raise Abandoned
        self._report(done, self.total)

    def abandon(self, fault: BaseException) -> None:
        """Have every copy under way end at its next bytes."""
        with self._lock:
            self.fault = self.fault or fault
