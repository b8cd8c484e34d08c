"""Sync through GitHub Actions: commit the list, dispatch the workflow, watch its run, read the reasons. Floor: jobs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import events, imagelist, results
from wxsync.jobs.engine import Step, engine_changed
from wxsync.jobs.job import Job
from wxsync.jobs.replies import followups, syncs
from wxsync.jobs.results import Item
from wxsync.log.logger import logger
from wxsync.remote.github.client import GitHub, RunRef
from wxsync.remote.github.report import ImageResult, RunReport
from wxsync.store.files import DayList

LOG = logger("jobs.sync")
TRIES = 3  # beyond the first, for a step before the dispatch
BACKOFF_S = (1.0, 2.0, 4.0)
POLL_BACKOFF_S = 30.0
SEARCH_S = 60.0  # for so long a run may stay invisible after a dispatch whose answer was lost
UNSEEN_S = 300.0  # a dispatch that GitHub has confirmed must show its run by then
FRESH_RUN_S = 30.0  # a run that a dispatch just named may still answer 404
REREADS = 3  # of a completed run whose jobs or reasons are not all there yet
MAX_LIST_BYTES = 512 << 10  # the workflow reads at most 1 MiB


class ActionsSync:
    """The engine that lets GitHub's runners do the copying. Used by the sync thread only."""

    def __init__(
        self, github: GitHub, day_list: DayList, clock: Clock, *, poll_s: float, wait_s: float, follow_s: float
    ) -> None:
        self._github = github
        self._day_list = day_list
        self._clock = clock
        self._poll_s = poll_s
        self._wait_s = wait_s
        self._follow_s = follow_s
        # When this process first had a job in hand (monotonic), and how old it was then: a clock that is set
        # afterwards changes no time-out.
        self._first: dict[int, tuple[float, float]] = {}
        # Dispatches whose intent this process stored and has not sent: only these may be sent without a search.
        self._unsent: set[int] = set()
        self._posted: dict[int, float] = {}  # when each dispatch was sent (monotonic)
        self._reads: dict[int, int] = {}
        self._stopped: set[int] = set()  # jobs whose run this process has told to stop

    def step(self, job: Job) -> Step:
        """Do the next step; see Engine."""
        if job.state == "copying":
            raise engine_changed(job)
        self._age_s(job)  # from here on this process's own clock counts
        if job.cancelled_by and job.state in {"announced", "committed"} and not self._may_run(job):
            why = followups.why_cancelled(job)
            return Step(events.Concluded(results.fail_open(job.items, why, results.CANCELLED), results.CANCELLED, why))
        if job.state == "announced":
            return Step(events.Committed(self._commit(job)))
        if job.state == "committed":
            return self._dispatch(job)
        return self._follow(job)

    def _follow(self, job: Job) -> Step:
        """Look at the run; the notice and the end come on time though GitHub is away."""
        age_s = self._age_s(job)
        is_over, is_late = age_s > self._follow_s, age_s > self._wait_s and not job.is_noticed
        try:
            step = self._find(job) if job.state == "dispatched" else self._watch(job)
        except RemoteFault as fault:
            if is_over and fault.temporary:
                return self._conclude(job, results.TIMED_OUT)
            if is_late and fault.temporary:
                return Step(events.Noticed())
            raise
        if step.event is not None:
            return step
        if is_over:
            return self._conclude(job, results.TIMED_OUT)
        return Step(events.Noticed()) if is_late else step

    def retry_s(self, job: Job, fault: RemoteFault, tries: int) -> float | None:
        """See Engine. Before the dispatch a few tries; once a run may exist, patience until `follow`."""
        if not fault.temporary:
            return None
        if not self._may_run(job):
            pause_s = fault.retry_after_s or _backoff_s(tries)
            return pause_s if tries < TRIES and pause_s <= self._wait_s else None
        pause_s = fault.retry_after_s or min(POLL_BACKOFF_S, BACKOFF_S[-1] * (tries + 1))
        age_s = self._age_s(job)
        if job.state == "committed" and age_s > self._follow_s:
            return None
        left = [limit - age_s for limit in (self._wait_s, self._follow_s) if limit > age_s]
        return min([pause_s, *(each + 0.1 for each in left)])

    def stop(self, timeout_s: float) -> bool:  # noqa: ARG002 the protocol's
        """Nothing runs beside: the runners are GitHub's."""
        return True

    def _may_run(self, job: Job) -> bool:
        """Tell whether a dispatch may have reached GitHub: then its run must be found before it can be stopped."""
        return job.posted_at is not None and job.id not in self._unsent

    def _age_s(self, job: Job) -> float:
        """Seconds since the job began; within this process by the clock that is never set."""
        now, wall_s = self._clock.monotonic(), (self._clock.now() - (job.started_at or job.created_at)).total_seconds()
        since, age_s = self._first.setdefault(job.id, (now, max(0.0, wall_s)))
        return age_s + now - since

    def _posted_s(self, job: Job) -> float:
        """Seconds since the dispatch; the wall clock counts only for one that a former process sent."""
        now = self._clock.monotonic()
        wall_s = (self._clock.now() - (job.posted_at or job.created_at)).total_seconds()
        return now - self._posted.setdefault(job.id, now - max(0.0, wall_s))

    def _commit(self, job: Job) -> str:
        """Write the day's list with this job's block to GitHub; return the commit that holds it."""
        lines = [imagelist.Line(item.source, item.platforms, item.destination) for item in _sent(job)]
        local = self._day_list.read()
        wanted = imagelist.newest(imagelist.append(local, imagelist.block(job.request_id, lines)), MAX_LIST_BYTES)
        if wanted != local:
            self._day_list.write(wanted)
        found = self._github.read_list()
        if found is None or not (found.text == wanted or imagelist.has_block(found.text, job.request_id)):
            message = f"sync #{job.id}: {len(lines)} images by {job.member} [{job.request_id}]"
            return self._github.write_list(wanted, message=message, sha=found.sha if found else None)
        # Written before a crash, or by the attempt whose answer was lost; the listing of commits may lag behind.
        commit = self._github.last_commit()
        there = self._github.read_list(commit)
        if there is None or not imagelist.has_block(there.text, job.request_id):
            raise RemoteFault("GitHub 还没有列出刚提交的清单", where="commits", mend="稍后重新发送", temporary=True)
        return commit

    def _dispatch(self, job: Job) -> Step:
        if job.posted_at is None:
            self._unsent.add(job.id)
            self._posted[job.id] = self._clock.monotonic()
            return Step(events.Posting(self._clock.now()))
        if job.id not in self._unsent:
            return self._search(job)
        self._unsent.discard(job.id)
        self._posted[job.id] = self._clock.monotonic()
        registry, _, namespace = job.prefix.rstrip("/").partition("/")
        try:
            run = self._github.dispatch(
                request_id=job.request_id, commit=job.commit, registry=registry, namespace=namespace
            )
        except RemoteFault as fault:
            if fault.maybe_done:
                LOG.warning("dispatch without an answer", job=job.id, why=str(fault))
                return Step(events.AnswerLost())
            self._unsent.add(job.id)  # it never left: the next try may send it
            raise
        LOG.info("sync dispatched", job=job.id, request=job.request_id, run=run.id if run else None)
        return Step(events.Dispatched(run.id, run.url) if run else events.Dispatched())

    def _search(self, job: Job) -> Step:
        """Look for the run of a dispatch that may have been sent, before a crash or without an answer."""
        run = self._run_of(job)
        if run is not None:
            return Step(events.Dispatched(run.id, run.url))
        if self._posted_s(job) < SEARCH_S:
            return Step(None, min(self._poll_s, 5.0))
        if not job.is_answer_lost:
            # The process died around the dispatch and GitHub shows no run a minute later: it was not sent.
            self._unsent.add(job.id)
            return Step(None)
        raise RemoteFault(
            "GitHub 没有确认启动工作流，一分钟内也没有看到它的运行",
            where="dispatches",
            mend="请稍后在 GitHub Actions 页面确认后重新发送",
        )

    def _run_of(self, job: Job) -> RunRef | None:
        # The hour allows for clocks that differ; the request id makes the match certain.
        return self._github.find_run(job.request_id, (job.posted_at or job.created_at) - timedelta(hours=1))

    def _find(self, job: Job) -> Step:
        if job.run_id:
            return Step(events.RunSeen(job.run_id, job.run_url), self._poll_s)
        run = self._run_of(job)
        if run is not None:
            return Step(events.RunSeen(run.id, run.url), self._poll_s)
        if self._posted_s(job) > UNSEEN_S:
            raise RemoteFault(
                "GitHub 已接受请求，但一直没有出现对应的工作流运行",
                where="actions/runs",
                mend="请检查仓库中的 docker-image-sync.yml 是否是最新版本（须有 run-name）",
            )
        return Step(None, self._poll_s)

    def _watch(self, job: Job) -> Step:
        try:
            if job.cancelled_by and job.id not in self._stopped:
                self._stop(job)
            run = self._github.run(job.run_id)
        except RemoteFault as fault:
            if fault.status != 404:
                raise
            in_hand_s = self._clock.monotonic() - self._first[job.id][0]
            if min(in_hand_s, self._posted_s(job)) < FRESH_RUN_S:
                return Step(None, self._poll_s)
            raise RemoteFault(
                "GitHub 上找不到这次工作流运行，无法得知结果（可能已被删除，或令牌不能再访问仓库）",
                where=fault.where,
                mend="请发送「重试」再同步一次",
            ) from fault
        if run.status != "completed":
            return Step(None, self._poll_s)
        return self._conclude(job, results.CANCELLED if run.conclusion == "cancelled" else "")

    def _stop(self, job: Job) -> None:
        """Tell GitHub to stop the run. When it refuses for good, the run goes on and is followed to its end."""
        try:
            self._github.cancel(job.run_id)
        except RemoteFault as fault:
            if fault.temporary or fault.status == 404:
                raise
            LOG.error("run cannot be stopped", job=job.id, run=job.run_id, why=str(fault))
        self._stopped.add(job.id)

    def _conclude(self, job: Job, result: str) -> Step:
        """Read each image's result; images without one share the run's own reason."""
        report = self._report(job, is_last=result == results.TIMED_OUT)
        if report is not None and result != results.TIMED_OUT and self._asks_again(job, report):
            return Step(None, self._poll_s)
        found = {image.n: image for image in report.images} if report else {}
        cancelled = followups.why_cancelled(job)
        numbers = {item: n for n, item in enumerate(_sent(job), 1)}
        items = tuple(_with_result(item, found.get(numbers.get(item, 0)), cancelled) for item in job.items)
        if all(item.result for item in items):
            result = result if any(item.result == result for item in items) else ""
        elif result == results.TIMED_OUT:
            items = results.fail_open(items, "到时仍没有结果", results.TIMED_OUT)
        elif result == results.CANCELLED:
            items = results.fail_open(items, cancelled, results.CANCELLED)
        else:
            whole = syncs.reason_text(report.reason_class, report.reason) if report else ""
            items = results.fail_open(items, whole or "工作流没有给出这个镜像的结果")
        return Step(events.Concluded(items, result, cancelled if result == results.CANCELLED else ""))

    def _report(self, job: Job, *, is_last: bool) -> RunReport | None:
        if not job.run_id:
            return None
        try:
            return self._github.images(job.run_id)
        except RemoteFault:
            if is_last:
                return None  # the time is over: the answer goes out with what is known
            raise

    def _asks_again(self, job: Job, report: RunReport) -> bool:
        """Tell whether jobs or reasons are missing that may still come: the listing lags behind the run."""
        is_lagging = any(image.result == "pending" for image in report.images) or (
            len(report.images) < len(_sent(job)) and not report.reason
        )
        reads = self._reads[job.id] = self._reads.get(job.id, 0) + 1
        return (is_lagging or report.fault is not None) and reads <= REREADS


def _sent(job: Job) -> list[Item]:
    """Return the images that the run is for, in the order of its numbers; others had failed before."""
    return [item for item in job.items if not item.result]


def _backoff_s(tries: int) -> float:
    return BACKOFF_S[min(tries, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def _with_result(item: Item, image: ImageResult | None, cancelled: str) -> Item:
    if image is None or image.result == "pending":
        return item
    done = replace(item, result=image.result, seconds=image.seconds)
    if done.is_mirrored:
        return done
    return replace(done, reason=cancelled if image.result == results.CANCELLED else _reason(image))


def _reason(image: ImageResult) -> str:
    return syncs.reason_text(image.reason_class, image.reason) or "原因不明，请看运行日志"
