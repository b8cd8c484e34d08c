"""Where the files of upload jobs come from: links, or local files in the spool. Floor: jobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from wxsync.errors import RemoteFault
from wxsync.jobs import command, links, results
from wxsync.jobs.job import Job, from_record
from wxsync.jobs.results import File
from wxsync.jobs.upload.course import OpenSource
from wxsync.store.spool import Spool
from wxsync.store.store import Store

Fetch = Callable[[str, threading.Event, float], OpenSource]


class Origins:
    """Any thread may call."""

    def __init__(self, store: Store, spool: Spool, fetch: Fetch) -> None:
        """fetch: begins to download a link, which must end within so many seconds."""
        self._store = store
        self._spool = spool
        self._fetch = fetch

    def files(self, job: Job) -> tuple[File, ...]:
        """Return what a job is for; a repetition is for what the job before did not bring about."""
        if job.spooled:
            return (File(job.text),)
        earlier = self._store.job(job.retry_of) if job.retry_of else None
        repeated = from_record(earlier) if earlier else job
        if repeated.files:
            missed = [file for file in repeated.files if file.result != results.SUCCEEDED]
            return tuple(File(file.source, file.url) for file in missed)
        parsed = command.parse(repeated.text)
        urls = parsed.urls if isinstance(parsed, command.UploadFiles) else ()
        return tuple(File(links.shown(url), url) for url in urls)

    def open(self, job: Job, place: int, stop: threading.Event, left_s: float) -> OpenSource:
        """Begin to read a file, which must end within left_s. Raises RemoteFault, Stopped."""
        file = job.files[place]
        if job.spooled:
            return LocalFile(self._spool.path(job.spooled), file.source)
        return self._fetch(file.url, stop, left_s)


class LocalFile:
    """A file of the spool as a source, under the name that its owner gave it."""

    def __init__(self, path: Path, name: str) -> None:
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            mend = "请重新执行 wxsyncd upload"
            raise RemoteFault(f"the spooled file cannot be read: {error.strerror}", where=name, mend=mend) from error
        self.name = name
        self.length: int | None = os.fstat(self._file.fileno()).st_size

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the buffer with what comes next and return how many bytes, 0 at the end."""
        return self._file.readinto(buffer) or 0

    def close(self) -> None:
        """Close it."""
        self._file.close()
