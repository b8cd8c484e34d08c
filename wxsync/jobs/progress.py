"""How far the transfers under way are: kept in memory only, for progress messages and bars. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """Bytes that have arrived, and how many there will be (None: not announced)."""

    done: int = 0
    total: int | None = None


class Progress:
    """The amounts of each open job, one an item. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._amounts: dict[int, dict[int, Amount]] = {}

    def report(self, job: int, item: int, done: int, total: int | None) -> None:
        """Note how far an item (its place, from 0) of a job is."""
        with self._lock:
            self._amounts.setdefault(job, {})[item] = Amount(done, total)

    def forget(self, job: int) -> None:
        """Drop what is known of a job that has ended."""
        with self._lock:
            self._amounts.pop(job, None)

    def of(self, job: int, items: int) -> Sequence[Amount]:
        """Return the amount of each of so many items; nothing known is no byte of an unknown total."""
        with self._lock:
            known = dict(self._amounts.get(job, {}))
        return [known.get(place, Amount()) for place in range(items)]
