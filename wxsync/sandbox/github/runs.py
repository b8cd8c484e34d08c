"""The life of a workflow run as a function of time: nothing ticks, a look computes what GitHub would show.

Floor: sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from wxsync.sandbox.github.workflow import ImageJob, Plan


@dataclass(frozen=True)
class Pace:
    """How long a run takes, in seconds.

    visible: until the API shows it. queued: until it starts. plan: of the plan job. image: of each image,
    `parallel` at a time. All but visible follow each other.
    """

    visible: float = 0.0
    queued: float = 0.05
    plan: float = 0.05
    image: float = 0.1
    parallel: int = 10


@dataclass(frozen=True)
class Run:
    """One dispatched run.

    shift: how far a test has moved it on in time. cancelled: at which instant, by its own time.
    """

    id: int
    number: int
    request_id: str
    branch: str
    head_sha: str
    created: float
    pace: Pace
    plan: Plan
    shift: float = 0.0
    cancelled: float | None = None

    @property
    def title(self) -> str:
        """The run-name, which the API calls display_title."""
        return f"sync {self.request_id or self.id}"


@dataclass(frozen=True)
class JobView:
    """A job as it is shown now; image is None for the plan job and for a matrix that never came to be."""

    id: int
    name: str
    status: str
    conclusion: str | None
    started: float
    ended: float | None
    image: ImageJob | None = None


@dataclass(frozen=True)
class RunView:
    """A run as it is shown now."""

    run: Run
    status: str
    conclusion: str | None
    updated: float
    jobs: tuple[JobView, ...]


def is_visible(run: Run, now: float) -> bool:
    """Tell whether the API shows the run yet."""
    return now + run.shift >= run.created + run.pace.visible


def look(run: Run, now: float) -> RunView:
    """Return the run as GitHub shows it at this instant."""
    at = now + run.shift
    began = run.created + run.pace.queued
    if run.cancelled is not None:
        at = min(at, run.cancelled)
    if at < began:
        ended = run.cancelled is not None
        return RunView(run, "completed" if ended else "queued", "cancelled" if ended else None, at, ())
    jobs = _jobs(run, began, at)
    if any(job.status != "completed" for job in jobs):
        return RunView(run, "in_progress", None, at, jobs)
    conclusions = {job.conclusion for job in jobs}
    worst = next((word for word in ("cancelled", "failure") if word in conclusions), "success")
    return RunView(run, "completed", worst, max(job.ended or at for job in jobs), jobs)


def length(run: Run) -> float:
    """Return how many seconds the whole run takes."""
    waves = -(-len(run.plan.jobs) // run.pace.parallel)
    return run.pace.visible + run.pace.queued + run.pace.plan + run.pace.image * waves


def _jobs(run: Run, began: float, at: float) -> tuple[JobView, ...]:
    planned = began + run.pace.plan
    plan = _Times(run, at, began, planned).job(0, "plan", "failure" if run.plan.error else "success")
    if plan.conclusion == "success":
        return (plan, *(_image_job(run, at, planned, place) for place in range(len(run.plan.jobs))))
    if plan.status == "completed":
        # GitHub shows a matrix job that was never expanded once, under its unexpanded name.
        name = "image ${{ matrix.n }} ${{ matrix.source }}"
        return (plan, JobView(run.id * 1000 + 1, name, "completed", "skipped", planned, planned))
    return (plan,)


def _image_job(run: Run, at: float, planned: float, place: int) -> JobView:
    image = run.plan.jobs[place]
    start = planned + run.pace.image * (place // run.pace.parallel)
    name, conclusion = f"image {image.number} {image.source}", "failure" if image.is_failure else "success"
    return _Times(run, at, start, start + run.pace.image).job(image.number, name, conclusion, image)


@dataclass(frozen=True)
class _Times:
    """When one job of a run starts and ends by plan, looked at from `at`."""

    run: Run
    at: float
    start: float
    end: float

    def job(self, number: int, name: str, conclusion: str, image: ImageJob | None = None) -> JobView:
        """Return the job as it is shown at that instant; conclusion: how it ends when nothing cancels it."""
        job_id = self.run.id * 1000 + number
        if self.at >= self.end:
            return JobView(job_id, name, "completed", conclusion, self.start, self.end, image)
        if self.run.cancelled is not None and self.at >= self.run.cancelled:
            return JobView(job_id, name, "completed", "cancelled", min(self.start, self.at), self.at, image)
        status = "queued" if self.at < self.start else "in_progress"
        return JobView(job_id, name, status, None, self.start, None, image)
