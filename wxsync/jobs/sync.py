"""Sync through GitHub Actions: commit the list, dispatch the workflow, watch its run, read the reasons. Floor: jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import imagelist, replies
from wxsync.jobs import job as lives
from wxsync.jobs.engine import Step
from wxsync.jobs.job import Item, Job
from wxsync.log import logger
from wxsync.remote.github.client import GitHub, RunRef
from wxsync.remote.github.report import ImageResult, RunReport
from wxsync.store.files import DayList

LOG = logger("jobs.sync")
SEARCH_S = 60.0  # for so long a run may stay invisible after a dispatch whose answer was lost
UNSEEN_S = 300.0  # a dispatch that GitHub has confirmed must show its run by then
REREADS = 3
FRESH_RUN_S = 30.0  # a run that a dispatch just named may still answer 404


class ActionsSync:
    """The engine that lets GitHub's runners do the copying. Used by the sync thread only."""

    def __init__(
        self,
        github: GitHub,
        day_list: DayList,
        clock: Clock,
        *,
        registry: str,
        namespace: str,
        poll_s: float,
        wait_s: float,
        follow_s: float,
    ) -> None:
        self._github = github
        self._day_list = day_list
        self._clock = clock
        self._registry = registry
        self._namespace = namespace
        self._poll_s = poll_s
        self._wait_s = wait_s
        self._follow_s = follow_s
        # Dispatches whose intent this process stored and has not sent: only these may be sent without a search.
        self._unsent: set[int] = set()
        self._lost: set[int] = set()  # dispatches whose answer this process did not get
        self._reads: dict[int, int] = {}

    def step(self, job: Job) -> Step:
        """Do the next step; see Engine."""
        if job.state == "announced":
            return Step(lives.Committed(self._commit(job)))
        if job.state == "committed":
            return self._dispatch(job)
        if self._age_s(job) > self._follow_s:
            return self._conclude(job, lives.TIMED_OUT)
        if self._age_s(job) > self._wait_s and not job.is_noticed:
            return Step(lives.Noticed())
        return self._find(job) if job.state == "dispatched" else self._watch(job)

    def patience(self, job: Job) -> float:
        """Before the dispatch the member waits for `wait`, then for `follow`."""
        most = self._wait_s if job.state in {"announced", "committed"} else self._follow_s
        return most - self._age_s(job)

    def _age_s(self, job: Job) -> float:
        return (self._clock.now() - (job.started_at or job.created_at)).total_seconds()

    def _commit(self, job: Job) -> str:
        """Write the day's list with this job's block to GitHub; return the commit that holds it."""
        lines = [imagelist.Line(item.source, item.platforms, item.destination) for item in job.items]
        local = self._day_list.read()
        wanted = imagelist.append(local, imagelist.block(job.request_id, lines))
        if wanted != local:
            self._day_list.write(wanted)
        found = self._github.read_list()
        if found is not None and (found.text == wanted or imagelist.has_block(found.text, job.request_id)):
            return self._github.last_commit()  # written before a crash, or by the attempt whose answer was lost
        message = f"sync #{job.id}: {len(job.items)} images by {job.member} [{job.request_id}]"
        return self._github.write_list(wanted, message=message, sha=found.sha if found else None)

    def _dispatch(self, job: Job) -> Step:
        if job.posted_at is None:
            self._unsent.add(job.id)
            return Step(lives.Posting(self._clock.now()))
        if job.id not in self._unsent:
            return self._search(job)
        self._unsent.discard(job.id)
        try:
            run = self._github.dispatch(
                request_id=job.request_id, commit=job.commit, registry=self._registry, namespace=self._namespace
            )
        except RemoteFault as fault:
            if fault.maybe_done:
                self._lost.add(job.id)
            else:
                self._unsent.add(job.id)  # it never left: the next try may send it
            raise
        LOG.info("sync dispatched", job=job.id, request=job.request_id, run=run.id if run else None)
        return Step(lives.Dispatched(run.id, run.url) if run else lives.Dispatched())

    def _search(self, job: Job) -> Step:
        """Look for the run of a dispatch that may have been sent, before a crash or without an answer."""
        run = self._run_of(job)
        if run is not None:
            return Step(lives.Dispatched(run.id, run.url))
        if self._posted_s(job) < SEARCH_S:
            return Step(None, min(self._poll_s, 5.0))
        if job.id not in self._lost:
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

    def _posted_s(self, job: Job) -> float:
        return (self._clock.now() - (job.posted_at or job.created_at)).total_seconds()

    def _find(self, job: Job) -> Step:
        if job.run_id:
            return Step(lives.RunSeen(job.run_id, job.run_url), self._poll_s)
        run = self._run_of(job)
        if run is not None:
            return Step(lives.RunSeen(run.id, run.url), self._poll_s)
        if self._posted_s(job) > UNSEEN_S:
            raise RemoteFault(
                "GitHub 已接受请求，但一直没有出现对应的工作流运行",
                where="actions/runs",
                mend="请检查仓库中的 docker-image-sync.yml 是否是最新版本（须有 run-name）",
            )
        return Step(None, self._poll_s)

    def _watch(self, job: Job) -> Step:
        try:
            run = self._github.run(job.run_id)
        except RemoteFault as fault:
            if fault.status == 404 and self._posted_s(job) < FRESH_RUN_S:
                return Step(None, self._poll_s)
            raise
        if run.status != "completed":
            return Step(None, self._poll_s)
        return self._conclude(job, lives.CANCELLED if run.conclusion == "cancelled" else "")

    def _conclude(self, job: Job, result: str) -> Step:
        """Read each image's result; images without one share the run's own reason."""
        report = self._report(job, is_last=result == lives.TIMED_OUT)
        found = {image.n: image for image in report.images} if report else {}
        items = tuple(_with_result(item, found.get(n)) for n, item in enumerate(job.items, 1))
        if result == lives.TIMED_OUT:
            items = lives.fail_open(items, "到时仍没有结果", lives.TIMED_OUT)
        elif result == lives.CANCELLED:
            items = lives.fail_open(items, "工作流运行被取消", lives.CANCELLED)
            result = "" if all(item.result != lives.CANCELLED for item in items) else result
        else:
            whole = replies.reason_text(report.reason_class, report.reason) if report else ""
            items = lives.fail_open(items, whole or "工作流没有给出这个镜像的结果")
        return Step(lives.Concluded(items, result))

    def _report(self, job: Job, *, is_last: bool) -> RunReport | None:
        """Read the results; when reasons could not be read it is asked again, at most REREADS times."""
        if not job.run_id:
            return None
        try:
            report = self._github.images(job.run_id)
        except RemoteFault:
            if is_last:
                return None  # the time is over: the answer goes out with what is known
            raise
        reads = self._reads[job.id] = self._reads.get(job.id, 0) + 1
        if report.fault is not None and not is_last and reads <= REREADS:
            raise report.fault
        del self._reads[job.id]
        return report


def _with_result(item: Item, image: ImageResult | None) -> Item:
    if image is None or image.result == "pending":
        return item
    reason = "" if image.result in {lives.SUCCEEDED, lives.SKIPPED} else _reason(image)
    return replace(item, result=image.result, reason=reason, seconds=image.seconds)


def _reason(image: ImageResult) -> str:
    if image.result == lives.CANCELLED:
        return "工作流运行被取消"
    return replies.reason_text(image.reason_class, image.reason) or "原因不明，请看运行日志"
