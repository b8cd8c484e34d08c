"""One upload job from its links to its answer, each step stored before it is relied on. Floor: jobs."""

from __future__ import annotations

import gc
import mimetypes
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import events, results
from wxsync.jobs.events import Event
from wxsync.jobs.job import Job, advance, from_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.progress import Progress
from wxsync.jobs.replies import failures, followups, refusals, uploads
from wxsync.jobs.results import File
from wxsync.jobs.upload.intake import Source
from wxsync.jobs.upload.leftovers import Leftovers
from wxsync.jobs.upload.tell import Teller
from wxsync.jobs.upload.transfer import Transfer
from wxsync.log.logger import logger
from wxsync.remote.download.fault import DownloadFault, Kind
from wxsync.remote.stop import Stopped
from wxsync.store.database import StoreFault
from wxsync.store.store import Store

LOG = logger("jobs.upload")
UNKNOWN_TYPE = "application/octet-stream"


class OpenSource(Source, Protocol):
    """A file that is being read."""

    def close(self) -> None:
        """Let go of it."""


class Origin(Protocol):
    """Where the files of jobs come from."""

    def files(self, job: Job) -> tuple[File, ...]:
        """Return what a job is for, its sources fit for chat and log."""

    def open(self, job: Job, place: int, stop: threading.Event, left_s: float) -> OpenSource:
        """Begin to read a file, which must end within left_s. Raises RemoteFault, Stopped."""


@dataclass(frozen=True)
class Tools:
    """What every upload needs. new_key: the key of the object for a file's name. bucket: as members read it."""

    store: Store
    ledger: Ledger
    clock: Clock
    origin: Origin
    transfer: Transfer
    leftovers: Leftovers
    progress: Progress
    new_key: Callable[[str], str]
    bucket: str
    deadline_s: float


class UploadCourse:
    """Takes jobs from accepted, or from where a former process left them, to ended. Any thread may run one."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def run(self, job: Job, stop: threading.Event) -> None:
        """Take a job to its end; once stop is set only as far as it is, unless it was cancelled. Raises StoreFault."""
        record = self._tools.store.job(job.id)
        if record is None or record.ended_at is not None:
            return
        course = _Course(self._tools, from_record(record), stop)
        try:
            course.run()
        except StoreFault:
            raise
        except Exception:  # the top of one job: it ends in an answer, the others go on
            LOG.exception("upload broke", job=job.id, state=course.job.state)
            course.give_up()


class _Course:
    """The course of one job in one process."""

    def __init__(self, tools: Tools, job: Job, stop: threading.Event) -> None:
        self.job = job
        self._tools = tools
        self._stop = stop
        self._began = tools.clock.monotonic()

    def run(self) -> None:
        """Go on from the job's state to its end; return early when it is cut off. Raises StoreFault."""
        if self.job.state == "accepted" and not self._cancelled_by:
            files = self._tools.origin.files(self.job)
            after = advance(self.job, events.Fetching(files, self._tools.clock.now()))
            self._save(after, uploads.started(after))
            LOG.info("upload started", job=after.id, files=len(files))
        try:
            self._take_away_leftovers(self._stop)
            for place, file in enumerate(self.job.files):
                if not file.result and not self._cancelled_by:  # a cancelled one may come from before a restart
                    self._upload(place)
        except Stopped:
            if not self._cancelled_by:
                LOG.info("upload cut off", job=self.job.id)
                return
        self._end()

    def give_up(self) -> None:
        """End a job that broke the program, with what is known. Raises StoreFault."""
        self._take_away_leftovers(threading.Event())
        ended = self._ended(results.FAILED, "程序内部错误")
        self._save(ended, refusals.internal_error(ended))
        self._tools.progress.forget(ended.id)

    def _upload(self, place: int) -> None:
        """Give one file its result; only Stopped and StoreFault come out."""
        began = self._tools.clock.monotonic()
        if self.job.state == "stored":
            self._change(events.Fetching(self.job.files))
        try:
            file = self._fetched(place)
        except RemoteFault as fault:
            LOG.warning("upload failed", job=self.job.id, link=self.job.files[place].source, why=str(fault))
            is_late = self._left_s <= 0
            is_local = bool(self.job.spooled)
            why = (
                failures.too_late(self._tools.deadline_s, is_local=is_local)
                if is_late
                else failures.explain(fault, is_local=is_local)
            )
            result = results.TIMED_OUT if is_late else results.FAILED
            file = replace(self._let_go(place), result=result, reason=why.reason, mend=why.mend)
        is_there = file.result == results.SUCCEEDED
        if not is_there:
            gc.collect()  # tracebacks hold the parts in cycles: few objects, so not collected soon, but 20 MiB
        file = replace(file, seconds=round(self._tools.clock.monotonic() - began, 3))
        self._change((events.Stored if is_there else events.Fetching)(self._with(place, file)))

    def _fetched(self, place: int) -> File:
        """Bring one file to QingStor, a second time when it has changed meanwhile."""
        try:
            return self._stored(place)
        except DownloadFault as fault:
            if fault.kind is not Kind.CHANGED:
                raise
        LOG.info("file changed, begun anew", job=self.job.id, link=self.job.files[place].source)
        self._change(events.Fetching(self._with(place, self._let_go(place))))
        return self._stored(place)

    def _stored(self, place: int) -> File:
        """Bring one file to QingStor; what is not whole there is gone again when this raises."""
        tools = self._tools
        with closing(tools.origin.open(self.job, place, self._stop, self._left_s)) as source:
            file = replace(self.job.files[place], name=source.name, key=tools.new_key(source.name))
            self._change(events.Uploading(self._with(place, file)))
            teller = Teller(tools.ledger, tools.clock, tools.progress)
            got = tools.transfer.run(
                source,
                file.key,
                content_type=mimetypes.guess_type(source.name)[0] or UNKNOWN_TYPE,
                disposition_name=source.name,
                left_s=self._left_s,
                stop=self._stop,
                on_upload_id=lambda upload_id: self._note_upload(place, upload_id),
                on_progress=lambda done: teller.tell(self.job, place, done, source.length),
            )
        link = tools.transfer.link(file.key, stop=self._stop)
        return replace(
            file,
            size=got.size,
            sha256=got.sha256,
            result=results.SUCCEEDED,
            destination=link.url,
            valid_until=link.until.isoformat() if link.until else "",
        )

    def _note_upload(self, place: int, upload_id: str) -> None:
        self._change(events.Uploading(self._with(place, replace(self.job.files[place], upload_id=upload_id))))

    def _take_away_leftovers(self, stop: threading.Event) -> None:
        """Remove what a former process, or a broken or cut off course, may have left under a key."""
        if self.job.state != "uploading":
            return
        place, file = next(each for each in enumerate(self.job.files) if each[1].key and not each[1].result)
        try:
            self._tools.transfer.clean_up(file.key, file.upload_id, stop=stop)
        except RemoteFault as fault:
            LOG.warning("leftover at QingStor", job=self.job.id, key=file.key, upload=file.upload_id, why=str(fault))
        self._change(events.Fetching(self._with(place, self._let_go(place))))

    def _let_go(self, place: int) -> File:
        """Return a file without its key, under which whatever may still be there, or appear, is taken away later."""
        file = self.job.files[place]
        if file.key:
            self._tools.leftovers.note(file.key, file.upload_id)
        return replace(file, key="", upload_id="")

    def _cancelled(self, place: int) -> File:
        return replace(self._let_go(place), result=results.CANCELLED, reason="已取消")

    def _end(self) -> None:
        job, by = self.job, self._cancelled_by
        if by and any(not file.result for file in job.files):
            files = tuple(file if file.result else self._cancelled(place) for place, file in enumerate(job.files))
            self._change(events.Fetching(files))
        if by:
            self.job = advance(self.job, events.CancelAsked(by))
        result = self._result()
        ended = self._ended(result, followups.why_cancelled(self.job) if result == results.CANCELLED else "")
        if ended.files:
            self._save(ended, uploads.ended(ended, self._tools.bucket, self._tools.clock.local))
        else:
            self._save(ended, followups.cancelled_unstarted(ended))
        self._tools.progress.forget(ended.id)
        took_s = round(self._tools.clock.monotonic() - self._began, 1)
        LOG.info("upload ended", job=ended.id, result=ended.result, files=len(ended.files), took=took_s)

    def _result(self) -> str:
        found = {file.result for file in self.job.files}
        if results.CANCELLED in found or not found:
            return results.CANCELLED
        return results.TIMED_OUT if results.TIMED_OUT in found else results.result_of(self.job.files)

    def _ended(self, result: str, reason: str) -> Job:
        return advance(self.job, events.Ended(result, self._tools.clock.now(), reason))

    @property
    def _cancelled_by(self) -> str:
        return self._tools.store.cancelled_by(self.job.id)

    @property
    def _left_s(self) -> float:
        """Seconds until the job's deadline, which a restart does not move."""
        started = self.job.started_at or self.job.created_at
        end = started + timedelta(seconds=self._tools.deadline_s)
        return (end - self._tools.clock.now()).total_seconds()

    def _with(self, place: int, file: File) -> tuple[File, ...]:
        files = list(self.job.files)
        files[place] = file
        return tuple(files)

    def _change(self, event: Event) -> None:
        self._save(advance(self.job, event))

    def _save(self, after: Job, *texts: str) -> None:
        self._tools.ledger.save(after, *texts)
        self.job = after
