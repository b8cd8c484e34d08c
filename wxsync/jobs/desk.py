"""What the admin API and the command line ask of the jobs: list, start, cancel, repeat. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wxsync.clock import Clock
from wxsync.errors import MemberError
from wxsync.jobs import command, listing, planning, results
from wxsync.jobs.inbox import KEPT_CHARACTERS, kind_of
from wxsync.jobs.job import Job, from_record, to_record
from wxsync.jobs.progress import Progress
from wxsync.log.logger import logger
from wxsync.store.spool import Spool
from wxsync.store.store import Store

LOG = logger("jobs.desk")
CLI = "cli"  # the member of jobs that come this way
RETRIED_KINDS = ("sync", "upload")


class Desk:
    """Any thread may call it. It only stores what is wanted and wakes the jobs, which decide as for a chat message."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        spool: Spool,
        progress: Progress,
        *,
        own_prefix: str,
        wake: Callable[[], None],
        hurry: Callable[[int], None],
    ) -> None:
        """wake: the reception. hurry: has the next step of a job under way be taken now."""
        self._store = store
        self._clock = clock
        self._spool = spool
        self._progress = progress
        self._own_prefix = own_prefix
        self._wake = wake
        self._hurry = hurry

    def jobs(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Return the newest jobs first, numbers below before; see `listing.summary`. Raises StoreFault."""
        return [listing.summary(from_record(record)) for record in self._store.jobs(limit=limit, before=before)]

    def job(self, number: int) -> dict[str, Any] | None:
        """Return one job, or None; see `listing.detail`. Raises StoreFault."""
        record = self._store.job(number)
        if record is None:
            return None
        job = from_record(record)
        count = 0 if job.ended_at else len(job.items) + len(job.files)
        return listing.detail(job, [(each.done, each.total) for each in self._progress.of(number, count)])

    def take(self, text: str) -> int:
        """Start the job that a text, read as a chat message, asks for; return its number. Raises StoreFault."""
        text = text[:KEPT_CHARACTERS]
        return self._add(kind_of(command.parse(text, own_prefix=self._own_prefix)), text)

    def take_file(self, name: str, blocks: Iterable[bytes | memoryview]) -> int:
        """Start the upload of a file with this name; return its number. Raises as `Spool.keep` does."""
        spooled = self._spool.keep(blocks)
        try:
            return self._add("upload", name, spooled=spooled)
        except BaseException:
            self._spool.drop(spooled)
            raise

    def cancel(self, number: int) -> bool:
        """Have a job end soon; False when there is none. Raises MemberError for one that has ended, StoreFault."""
        if not self._store.cancel(number, CLI):
            if self._store.job(number) is None:
                return False
            raise MemberError(f"任务 #{number} 已经结束", mend="已经结束的任务不能取消")
        LOG.info("cancel asked", job=number, by=CLI)
        self._hurry(number)
        self._wake()  # one that still waits is ended by the reception
        return True

    def retry(self, number: int) -> int:
        """Start a job for what another did not bring about; return its number, 0 when there is no such job.

        Raises MemberError when there is nothing to repeat, StoreFault.
        """
        record = self._store.job(number)
        if record is None:
            return 0
        job = from_record(record)
        if job.ended_at is None:
            raise MemberError(f"任务 #{number} 还没有结束", mend="等它结束，或先取消它")
        if job.kind not in RETRIED_KINDS or job.spooled:
            raise MemberError(f"任务 #{number} 不能重试", mend="请重新发起")
        if job.result == results.SUCCEEDED:
            raise MemberError(f"任务 #{number} 已经全部成功", mend="没有需要重试的内容")
        return self._add(job.kind, "重试", retry_of=planning.repeated_by_retry(job))

    def _add(self, kind: str, text: str, *, spooled: str = "", retry_of: int = 0) -> int:
        now = self._clock.now()
        job = Job(0, kind, CLI, text, now, is_local=True, spooled=spooled, retry_of=retry_of)
        number = self._store.add(to_record(job))
        LOG.info("job taken", job=number, kind=kind, member=CLI)
        self._wake()
        return number
