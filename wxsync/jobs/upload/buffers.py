"""The memory that parts lie in between the reader and the workers. Floor: jobs."""

from __future__ import annotations

import threading

from wxsync.jobs.upload.sizing import buffer_count
from wxsync.remote.stop import check

SLICE_S = 0.1


class Buffers:
    """Buffers that are used again; never more than `buffer_count` at a time. Any thread may call."""

    def __init__(self, workers: int, *stops: threading.Event) -> None:
        """stops: events of which each ends a wait for a buffer."""
        self._workers = workers
        self._stops = stops
        self._changed = threading.Condition()
        self._free: list[bytearray] = []
        self._taken = 0

    def take(self, size: int) -> bytearray:
        """Return a buffer of at least this size, waiting until there is one; raise Stopped."""
        with self._changed:
            while self._taken >= buffer_count(size, self._workers):
                self._changed.wait(SLICE_S)
                for stop in self._stops:
                    check(stop, "upload")
            self._taken += 1
            self._free = [each for each in self._free if len(each) >= size]
            if self._free:
                return self._free.pop()
        return bytearray(size)

    def give(self, buffer: bytearray) -> None:
        """Let another part have the buffer."""
        with self._changed:
            self._taken -= 1
            self._free.append(buffer)
            self._changed.notify()
