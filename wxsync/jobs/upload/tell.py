"""Tell how far a long upload is: at all times to the bars, once a minute to its member. Floor: jobs."""

from __future__ import annotations

from wxsync.clock import Clock
from wxsync.jobs.job import Job
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.progress import Progress
from wxsync.jobs.replies import uploads

EVERY_S = 60.0


class Teller:
    """Called with the bytes that have arrived of one file, by one thread. The first text comes after a minute."""

    def __init__(self, ledger: Ledger, clock: Clock, progress: Progress) -> None:
        self._ledger = ledger
        self._clock = clock
        self._progress = progress
        self._began = self._told = clock.monotonic()

    def tell(self, job: Job, place: int, done: int, total: int | None) -> None:
        """Note it, and write the member a text when the last one is a minute old. Raises StoreFault."""
        self._progress.report(job.id, place, done, total)
        now = self._clock.monotonic()
        if now - self._told >= EVERY_S:
            self._told = now
            rate = done / max(now - self._began, 0.001)
            self._ledger.save(job, uploads.under_way(job.files[place], done, total, rate))
