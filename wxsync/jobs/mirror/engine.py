"""The engine without GitHub: this process copies the images, from registry to registry. Floor: jobs."""

from __future__ import annotations

from dataclasses import dataclass

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import events, imagelist, results
from wxsync.jobs.engine import Step, engine_changed
from wxsync.jobs.job import LOCAL_STATES, Job
from wxsync.jobs.mirror.holders import Holders
from wxsync.jobs.mirror.lane import Registries
from wxsync.jobs.mirror.run import Run
from wxsync.jobs.progress import Progress
from wxsync.jobs.replies import followups
from wxsync.jobs.results import Item, fail_open
from wxsync.log.logger import logger
from wxsync.store.files import DayList

LOG = logger("jobs.mirror")
LOOK_S = 0.1
STOP_S = 1.2  # for so long a cancelled job waits for its threads, which may just have finished an image
GRACE_S = 5.0  # calls may last a little longer than the job: its own end is told as such, not as a broken call
FIRST_NEWS_S, LAST_NEWS_S = 60.0, 600.0  # between two progress messages: twice as long each time
MAX_LIST_BYTES = 512 << 10


@dataclass
class _Watch:
    """What the engine knows of a job under way; seconds are the clock's monotonic time."""

    run: Run
    ends_at: float
    news_at: float
    news_after_s: float
    stopped_at: float | None = None


class LocalMirror:
    """Implements `jobs.engine.Engine`. Used by the sync thread only, but for `stop`."""

    def __init__(
        self,
        registries: Registries,
        holders: Holders,
        day_list: DayList,
        clock: Clock,
        progress: Progress,
        *,
        workers: int,
        deadline_s: float,
        first_news_s: float = FIRST_NEWS_S,
    ) -> None:
        """workers: images side by side. first_news_s: after so long, and then ever more rarely, progress is told."""
        self._registries = registries
        self._holders = holders
        self._day_list = day_list
        self._clock = clock
        self._progress = progress
        self._workers = workers
        self._deadline_s = deadline_s
        self._first_news_s = first_news_s
        self._watch: _Watch | None = None

    def step(self, job: Job) -> Step:
        """Do the next step; see Engine. The copying itself goes on beside, whatever is stored meanwhile."""
        if job.state not in LOCAL_STATES:
            raise engine_changed(job)
        if job.prefix != self._registries.prefix and not all(item.result for item in job.items):
            raise _destination_changed(job)
        if job.cancelled_by and job.state == "announced":
            why = followups.why_cancelled(job)
            return Step(events.Concluded(fail_open(job.items, why, results.CANCELLED), results.CANCELLED, why))
        if job.state == "announced":
            self._append(job)
            return Step(events.Copying())
        return self._look(job)

    def retry_s(self, job: Job, fault: RemoteFault, tries: int) -> float | None:  # noqa: ARG002 the protocol's
        """Nothing is worth waiting for: each image tries again by itself."""
        return None

    def stop(self, timeout_s: float) -> bool:
        """End the copying for now; tell whether no thread is left. The next process goes on with the job."""
        if self._watch is None:
            return True
        self._watch.run.stop()
        return self._watch.run.join(timeout_s)

    def _append(self, job: Job) -> None:
        """Write the request's block to the day's list, unless it is there since before a crash."""
        lines = [imagelist.Line(item.source, item.platforms, item.destination) for item in job.items if not item.result]
        text = imagelist.append(self._day_list.read(), imagelist.block(job.request_id, lines))
        self._day_list.write(imagelist.newest(text, MAX_LIST_BYTES))

    def _look(self, job: Job) -> Step:
        """Tell what is new: results first, then the end, then how far it is."""
        watch = self._watched(job)
        is_over = watch.run.is_over  # asked before the results, so that none of them comes in between
        items = tuple(watch.run.items)
        if items != job.items:
            return Step(events.Copied(items))
        now = self._clock.monotonic()
        if all(item.result for item in items):
            return self._concluded(items)
        if job.cancelled_by:
            return self._cancel(job, watch, is_over=is_over)
        if now >= watch.ends_at:
            watch.run.stop()
            open_ones = fail_open(items, "到时仍没有复制完", results.TIMED_OUT)
            return self._concluded(open_ones, results.TIMED_OUT)
        if is_over:
            return self._concluded(fail_open(items, "程序内部错误，已写入日志，请联系管理员"))
        return self._news(job, watch, now)

    def _watched(self, job: Job) -> _Watch:
        """Return the job's run, begun now when this process has none yet."""
        if self._watch is not None and self._watch.run.job == job.id:
            return self._watch
        if self._watch is not None:
            self._watch.run.stop()
            self._progress.forget(self._watch.run.job)
        now = self._clock.monotonic()
        # The wall clock counts only from the job's beginning to here: one that is set later changes no time-out.
        age_s = max(0.0, (self._clock.now() - (job.started_at or job.created_at)).total_seconds())
        ends_at = now + self._deadline_s - age_s
        run = Run(
            job,
            self._registries,
            self._holders,
            self._clock,
            self._progress,
            workers=self._workers,
            deadline=ends_at + GRACE_S,
        )
        self._watch = _Watch(run, ends_at, now + self._first_news_s, self._first_news_s)
        if now < ends_at:
            run.start()
        LOG.info("mirror started", job=job.id, images=sum(not item.result for item in job.items))
        return self._watch

    def _cancel(self, job: Job, watch: _Watch, *, is_over: bool) -> Step:
        now = self._clock.monotonic()
        if watch.stopped_at is None:
            watch.run.stop()
            watch.stopped_at = now
        if not is_over and now - watch.stopped_at < STOP_S:
            return Step(None, LOOK_S)
        why = followups.why_cancelled(job)
        return self._concluded(fail_open(job.items, why, results.CANCELLED), results.CANCELLED, why)

    def _news(self, job: Job, watch: _Watch, now: float) -> Step:
        if now < watch.news_at:
            return Step(None, LOOK_S)
        watch.news_after_s = min(2 * watch.news_after_s, LAST_NEWS_S)
        watch.news_at = now + watch.news_after_s
        amounts = self._progress.of(job.id, len(job.items))
        return Step(events.Progressed(sum(each.done for each in amounts), sum(each.total or 0 for each in amounts)))

    @staticmethod
    def _concluded(items: tuple[Item, ...], result: str = "", reason: str = "") -> Step:
        return Step(events.Concluded(items, result, reason))


def _destination_changed(job: Job) -> RemoteFault:
    """Return why a job does not go on: what it announced, and where it put images until now, was another registry."""
    what = "目标仓库（[registry] registry / namespace）已经改变，这个任务没有做完"
    return RemoteFault(what, where=f"job {job.id}", mend="请发送「重试」再同步一次")
