"""The one place for a running sync, held by flock so that another process cannot take it too. Floor: jobs."""

from __future__ import annotations

import threading

from wxsync.store.files import FileLock


class Slot:
    """Any thread may call it; the kernel frees it when the process dies."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock
        self._guard = threading.Lock()
        self._job = 0

    def take(self, job: int) -> bool:
        """Take the slot for a job; tell whether that job holds it now. Raises StoreFault."""
        with self._guard:
            if self._job == 0 and self._lock.acquire():
                self._job = job
            return self._job == job

    def give_back(self, job: int) -> None:
        """Free the slot when this job holds it."""
        with self._guard:
            if self._job == job:
                self._job = 0
                self._lock.release()

    @property
    def job(self) -> int:
        """The number of the job that holds it in this process, 0 for none."""
        return self._job
