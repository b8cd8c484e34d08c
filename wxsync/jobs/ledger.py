"""Write a job's new state together with what the member is told about it. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from wxsync.clock import Clock
from wxsync.jobs.job import Job, to_record
from wxsync.store.records import Ownership
from wxsync.store.store import Store
from wxsync.wecom.splitting import split


class Ledger:
    """The one way in which a job changes in the store. Any thread may call it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        on_texts: Callable[[], None],
        on_file_done: Callable[[str], None] = lambda _: None,
    ) -> None:
        """on_texts: wakes the outbox. on_file_done: drops the spool file of a job that has ended."""
        self._store = store
        self._clock = clock
        self._on_texts = on_texts
        self._on_file_done = on_file_done

    def save(self, job: Job, *texts: str, owned: Iterable[Ownership] = (), cancels: int = 0) -> None:
        """Store the job, its texts in numbered parts, its destinations and which job it cancels: all or nothing.

        The last text of a job that ends is its answer; of a local one it is kept, and nothing is sent.
        Raises StoreFault.
        """
        if job.is_local and job.ended_at and texts:
            job = replace(job, answer=texts[-1])
        parts = [part for text in texts for part in split(text, job.id)] if not job.is_local else []
        self._store.save(to_record(job), self._clock.now(), texts=parts, owned=owned, cancels=cancels)
        if parts:
            self._on_texts()
        if job.ended_at and job.spooled:
            self._on_file_done(job.spooled)
