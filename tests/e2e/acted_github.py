"""The GitHub stand-in whose runs are real: each dispatch runs the repository's own workflow with act."""
from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.e2e.runner import Job, Runner
from tests.e2e.runner import Run as ActedRun
from wxsync.sandbox.github.runs import JobView, Run, RunView
from wxsync.sandbox.github.stand_in import GitHub
from wxsync.sandbox.github.workflow import ImageJob, Plan
from wxsync.sandbox.server import Answer, Request


class ActedGitHub(GitHub):
    """Contents, dispatches and rules are the stand-in's; what a run does and says is the workflow's.

    said: every request and its answer. secrets may be changed before a dispatch.
    """

    def __init__(self, directory: Path, home: Path, secrets: Mapping[str, str]) -> None:
        self.said: list[tuple[Request, Answer]] = []
        self.acted: dict[int, ActedRun] = {}
        self._views: dict[int, RunView] = {}
        self._threads: list[threading.Thread] = []
        super().__init__(secrets=secrets, look=self._look)
        self._runner = Runner(directory, home, self)

    def close(self) -> None:
        """Wait for the runs, then end."""
        for thread in self._threads:
            thread.join()
        super().close()

    def _respond(self, request: Request) -> Answer:
        answer = super()._respond(request)
        self.said.append((request, answer))
        if request.path.endswith("/dispatches") and answer.status in (200, 204):
            dispatch = self.dispatches[-1]
            thread = threading.Thread(target=self._act, args=(dispatch.run_id, dict(dispatch.inputs)))
            self._threads.append(thread)
            thread.start()
        return answer

    def _act(self, run_id: int, inputs: dict[str, str]) -> None:
        began = time.time()
        acted = self.acted[run_id] = self._runner.dispatch(self.dispatching.secrets, **inputs)
        self._views[run_id] = _view(self.actions.runs[run_id], acted, began, time.time())

    def _look(self, run: Run, now: float) -> RunView:
        return self._views.get(run.id) or RunView(run, "in_progress", None, now, ())


def _view(run: Run, acted: ActedRun, began: float, ended: float) -> RunView:
    error = acted.plan.commands[-1][2] if acted.plan.result != "success" else ""
    plan = JobView(run.id * 1000, "plan", "completed", acted.plan.result, began, ended)
    images = [_image(run.id, n, job, began, ended) for n, job in sorted(acted.images.items())]
    jobs = (plan, *images)
    worst = "failure" if any(job.conclusion != "success" for job in jobs) else "success"
    return RunView(replace(run, plan=Plan(error)), "completed", worst, ended, jobs)


def _image(run_id: int, n: int, job: Job, began: float, ended: float) -> JobView:
    ((level, _, message),) = job.commands
    said = ImageJob(n, job.name.split(" ", 2)[2], "failure" if level == "error" else "notice", message)
    return JobView(run_id * 1000 + n, job.name, "completed", job.result, began, ended, said)
