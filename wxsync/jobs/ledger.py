"""Write a job's new state together with what the member is told about it. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wxsync.clock import Clock
from wxsync.jobs.job import Job, to_record
from wxsync.store.records import Ownership
from wxsync.store.store import Store
from wxsync.wecom.splitting import split


class Ledger:
    """The one way in which a job changes in the store. Any thread may call it."""

    def __init__(self, store: Store, clock: Clock, on_texts: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._on_texts = on_texts

    def save(self, job: Job, *texts: str, owned: Iterable[Ownership] = (), cancels: int = 0) -> None:
        """Store the job, its texts in numbered parts, its destinations and which job it cancels: all or nothing.

        Raises StoreFault.
        """
        parts = [part for text in texts for part in split(text, job.id)]
        self._store.save(to_record(job), self._clock.now(), texts=parts, owned=owned, cancels=cancels)
        if parts:
            self._on_texts()
