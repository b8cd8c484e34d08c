"""Take each accepted job: answer what the store alone can answer, hand syncs on when the slot is free. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from wxsync.clock import Clock
from wxsync.jobs import command, events, planning, results
from wxsync.jobs.job import Job, advance, from_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.replies import chat, followups, refusals
from wxsync.jobs.slot import Slot
from wxsync.log.logger import logger
from wxsync.store.database import StoreFault
from wxsync.store.store import Store

LOG = logger("jobs.reception")
IDLE_S = 5.0  # messages wake it; this is for one whose waking was lost
HISTORY_SHOWN = 10
LISTED_KINDS = ("sync", "upload")


class Uploads(Protocol):
    """What takes upload jobs: jobs.upload.threads."""

    def hand_over(self, job: Job) -> None:
        """Take a job."""

    def has(self, number: int) -> bool:
        """Tell whether it has the job."""

    def cancel(self, number: int) -> bool:
        """Stop a job; False when no thread has it and nobody will end it."""

    @property
    def ahead(self) -> int:
        """How many jobs another one would have to wait for."""


class Reception:
    """Runs in its own thread and calls no remote service, so that 帮助 and 状态 are answered while a sync hangs."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        slot: Slot,
        hand_over: Callable[[Job], None],
        hurry: Callable[[int], None],
        uploads: Uploads,
        own_prefix: str,
        missing: Mapping[str, Sequence[str]],
        allow_users: Sequence[str],
        admin_users: Sequence[str],
        is_queueing: bool,
        max_queue: int,
    ) -> None:
        """hand_over, hurry: the worker's. missing: part ("mirror", "upload") -> settings it lacks.

        is_queueing: a sync waits while another runs, otherwise it is refused; uploads always wait. max_queue: how many.
        """
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._slot = slot
        self._hand_over = hand_over
        self._hurry = hurry
        self._uploads = uploads
        self._own_prefix = own_prefix
        self._missing = missing
        self._allowed = frozenset(user.casefold() for user in allow_users)
        self._admins = frozenset(user.casefold() for user in admin_users)
        self._is_queueing = is_queueing
        self._max_queue = max_queue

    def turn(self) -> float:
        """Go through all accepted jobs, oldest first; return the seconds until the next look. Raises StoreFault."""
        for record in self._store.open_jobs():
            if record.state != "accepted" or record.id == self._slot.job or self._uploads.has(record.id):
                continue
            job = from_record(record)
            try:
                self._decide(job)
            except StoreFault:
                raise
            except Exception:  # the top of one job: a message that breaks it must not keep others waiting
                LOG.exception("reception failed", job=job.id)
                self._end(job, results.FAILED, refusals.internal_error(job))
        return IDLE_S

    def _decide(self, job: Job) -> None:
        if job.retry_of or job.spooled:  # what is repeated was decided before; a file's name is nothing to be parsed
            (self._sync if job.kind == "sync" else self._upload)(job)
            return
        parsed = command.parse(job.text, own_prefix=self._own_prefix)
        if self._allowed and not job.is_local and job.member.casefold() not in self._allowed:
            self._end(job, results.REFUSED, refusals.not_allowed())
        elif isinstance(parsed, command.SyncImages):
            self._sync(job)
        elif isinstance(parsed, command.UploadFiles):
            self._upload(job)
        elif isinstance(parsed, command.Refusal):
            self._end(job, results.REFUSED, refusals.refused(parsed.items, job.id))
        elif parsed == command.ChatCommand("cancel"):
            self._cancel(job)
        elif parsed == command.ChatCommand("retry"):
            self._retry(job)
        elif isinstance(parsed, command.ChatCommand):
            self._end(job, results.SUCCEEDED, self._chat_answer(job, parsed.name))
        else:
            self._end(job, results.SUCCEEDED, chat.help_text(parsed.suggestion))

    def _cancel(self, job: Job) -> None:
        """Mark the newest open job that the member may cancel, and answer; that job's own answer follows."""
        open_jobs = [each for each in self._open(LISTED_KINDS) if each.id < job.id]
        own = [each for each in open_jobs if (each.member, each.is_local) == (job.member, job.is_local)]
        theirs = open_jobs if job.member.casefold() in self._admins else []
        targets = [each for each in own or theirs if not each.cancelled_by]
        if not targets:
            self._end(job, results.SUCCEEDED, followups.nothing_to_cancel(own or open_jobs))
            return
        target = targets[-1]
        ended = advance(job, events.Ended(results.SUCCEEDED, self._clock.now()))
        self._ledger.save(ended, followups.cancelling(target, len(targets) - 1), cancels=target.id)
        LOG.info("cancel asked", job=target.id, by=job.member, request=job.id)
        if not self._is_stopping(target):
            # Nobody but this thread starts a job, so one that still waits stays as it is read now.
            record = self._store.job(target.id)
            if record is not None and record.state == "accepted":
                self._end_cancelled(from_record(record))

    def _is_stopping(self, target: Job) -> bool:
        """Have a job stopped by the thread that has it; False when none has it."""
        if target.kind == "upload":
            return self._uploads.cancel(target.id)
        self._hurry(target.id)
        return target.id == self._slot.job

    def _end_cancelled(self, job: Job) -> None:
        """End a job that still waited, unless a thread that had it until now has ended it."""
        if self._is_still_accepted(job):
            self._end(job, results.CANCELLED, followups.cancelled_unstarted(job))

    def _retry(self, job: Job) -> None:
        """Make the job a repetition of what the member's last sync or upload did not bring about."""
        last = next(iter(self._store.jobs(limit=1, before=job.id, kinds=LISTED_KINDS, member=job.member)), None)
        repeated = from_record(last) if last else None
        if repeated is not None and repeated.is_local != job.is_local:
            repeated = None  # a member may have the very name that stands for the command line
        if repeated is None or repeated.ended_at is None or repeated.result == results.SUCCEEDED or repeated.spooled:
            self._end(job, results.SUCCEEDED, followups.nothing_to_retry(repeated))
            return
        again = advance(job, events.Retried(planning.repeated_by_retry(repeated), repeated.kind))
        (self._sync if again.kind == "sync" else self._upload)(again)

    def _upload(self, job: Job) -> None:
        if job.cancelled_by:
            self._end_cancelled(job)
        elif self._missing["upload"]:
            self._end(job, results.REFUSED, refusals.part_missing("文件上传", self._missing["upload"]))
        elif self._uploads.ahead > self._max_queue:
            self._end(job, results.REFUSED, refusals.queue_full(self._max_queue))
        elif self._is_still_accepted(job):
            ahead = self._uploads.ahead
            if ahead and not job.is_queued:
                job = advance(job, events.Queued())
                self._ledger.save(job, refusals.queued(ahead))
            elif job.retry_of:
                self._ledger.save(job)
            self._uploads.hand_over(job)

    def _sync(self, job: Job) -> None:
        if job.cancelled_by:
            self._end_cancelled(job)
        elif self._missing["mirror"]:
            self._end(job, results.REFUSED, refusals.part_missing("镜像同步", self._missing["mirror"]))
        elif self._slot.take(job.id):
            self._hand_over_if_open(job)
        elif job.is_queued:
            return
        elif not self._is_queueing:
            self._end(job, results.REFUSED, self._busy_answer())
        else:
            waiting = [each for each in self._open(("sync",)) if each.is_queued and each.state == "accepted"]
            if len(waiting) >= self._max_queue:
                self._end(job, results.REFUSED, refusals.queue_full(self._max_queue))
            else:
                self._ledger.save(advance(job, events.Queued()), refusals.queued(len(waiting) + 1))

    def _hand_over_if_open(self, job: Job) -> None:
        """The worker may have ended the job since it was read here: then the slot was free only because of that."""
        if self._is_still_accepted(job):
            self._hand_over(job)
        else:
            self._slot.give_back(job.id)

    def _is_still_accepted(self, job: Job) -> bool:
        record = self._store.job(job.id)
        return record is not None and record.state == "accepted"

    def _busy_answer(self) -> str:
        record = self._store.job(self._slot.job) if self._slot.job else None
        if record is None:
            return refusals.busy_elsewhere()
        running = from_record(record)
        began = self._clock.local(running.started_at or running.created_at)
        return refusals.busy(running, self._clock.now(), began)

    def _chat_answer(self, job: Job, name: str) -> str:
        if name == "status":
            under_way = self._open(LISTED_KINDS)
            return chat.status(under_way, self._clock.now(), self._clock.local)
        if name == "history":
            records = self._store.jobs(limit=HISTORY_SHOWN, before=job.id, kinds=LISTED_KINDS)
            return chat.history([from_record(record) for record in records], self._clock.local)
        return chat.help_text(None)

    def _open(self, kinds: Sequence[str]) -> list[Job]:
        return [from_record(record) for record in self._store.open_jobs() if record.kind in kinds]

    def _end(self, job: Job, result: str, text: str) -> None:
        self._ledger.save(advance(job, events.Ended(result, self._clock.now())), text)
        LOG.info("job ended", job=job.id, kind=job.kind, result=result)
