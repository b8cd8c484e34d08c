"""The Actions calls of the GitHub stand-in: dispatch, runs, jobs, annotations, logs, cancel.

The caller holds the lock. Floor: sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from wxsync.sandbox.github import output, runs
from wxsync.sandbox.github.answers import Call, Refusal, instant, page
from wxsync.sandbox.github.dispatching import Dispatching
from wxsync.sandbox.github.loghost import LogHost
from wxsync.sandbox.github.runs import JobView, Run, RunView
from wxsync.sandbox.server import Answer, Request, json_answer

WORKFLOW_ID = 161335


class Actions:
    """Keeps the runs. can_annotate: False answers 403, as for every fine-grained token.

    look: tells how a run is at an instant.
    """

    def __init__(
        self, dispatching: Dispatching, logs: LogHost, *, repo: str, base: Callable[[], str],
        now: Callable[[], float], look: Callable[[Run, float], RunView] = runs.look,
    ) -> None:
        self.can_annotate = True
        self.runs: dict[int, Run] = {}
        self._dispatching = dispatching
        self._logs = logs
        self._repo = repo
        self._base = base
        self._now = now
        self._look = look

    def routes(self) -> tuple[tuple[str, str, Call], ...]:
        """Return (method, path pattern below the repository, call)."""
        return (
            ("GET", r"/actions/workflows/([^/]+)", self._workflow),
            ("POST", r"/actions/workflows/([^/]+)/dispatches", self._dispatch),
            ("GET", r"/actions/workflows/([^/]+)/runs", self._list),
            ("GET", r"/actions/runs", self._list),
            ("GET", r"/actions/runs/([0-9]+)", self._run),
            ("DELETE", r"/actions/runs/([0-9]+)", self._delete),
            ("POST", r"/actions/runs/([0-9]+)/cancel", self._cancel),
            ("GET", r"/actions/runs/([0-9]+)/jobs", self._jobs),
            ("GET", r"/actions/jobs/([0-9]+)/logs", self._log),
            ("GET", r"/check-runs/([0-9]+)/annotations", self._annotations),
        )

    def look(self, run_id: int) -> RunView:
        """Return a run as it is now; Refusal 404 when it is not visible."""
        run = self.runs.get(run_id)
        if run is None or not runs.is_visible(run, self._now()):
            raise Refusal(404, "Not Found")
        return self._look(run, self._now())

    def cancel(self, run_id: int) -> None:
        """Cancel a run at this instant of its own time."""
        run = self.runs[run_id]
        self.runs[run_id] = replace(run, cancelled=self._now() + run.shift)

    def _workflow(self, _request: Request, match: re.Match[str]) -> Answer:
        self._check_name(match.group(1))
        name = self._dispatching.workflow_file
        state = "active" if self._dispatching.is_enabled else "disabled_manually"
        return json_answer({"id": WORKFLOW_ID, "name": name, "path": f".github/workflows/{name}", "state": state})

    def _dispatch(self, request: Request, match: re.Match[str]) -> Answer:
        self._check_name(match.group(1))
        ref, inputs, wants_details = self._dispatching.check(request)
        run = self._dispatching.start(ref, inputs, len(self._dispatching.taken) + 1, self._present())
        self.runs[run.id] = run
        if not wants_details:
            return Answer(204)
        return json_answer({"workflow_run_id": run.id, "run_url": self._api(f"/actions/runs/{run.id}"),
                            "html_url": self._page(run)})

    def _list(self, request: Request, match: re.Match[str]) -> Answer:
        if match.groups():
            self._check_name(match.group(1))
        views = [self._look(run, self._now()) for run in self.runs.values() if runs.is_visible(run, self._now())]
        wanted = [self._shown(view) for view in reversed(views) if _is_wanted(view, request)]
        shown, headers = page(wanted, request, self._base())
        return json_answer({"total_count": len(wanted), "workflow_runs": shown}, headers=headers)

    def _run(self, _request: Request, match: re.Match[str]) -> Answer:
        return json_answer(self._shown(self.look(int(match.group(1)))))

    def _delete(self, _request: Request, match: re.Match[str]) -> Answer:
        self.look(int(match.group(1)))
        del self.runs[int(match.group(1))]
        return Answer(204)

    def _cancel(self, _request: Request, match: re.Match[str]) -> Answer:
        view = self.look(int(match.group(1)))
        if view.status == "completed":
            raise Refusal(409, "Cannot cancel a workflow run that is completed.")
        self.cancel(view.run.id)
        return json_answer({}, 202)

    def _jobs(self, request: Request, match: re.Match[str]) -> Answer:
        view = self.look(int(match.group(1)))
        shown, headers = page([self._shown_job(view, job) for job in view.jobs], request, self._base())
        return json_answer({"total_count": len(view.jobs), "jobs": shown}, headers=headers)

    def _log(self, _request: Request, match: re.Match[str]) -> Answer:
        view, job = self._job(int(match.group(1)))
        if job.status != "completed" or job.conclusion == "skipped":
            raise Refusal(404, "Not Found")
        text = output.mask(output.log(job, view.run.plan.error), self._dispatching.secrets.values())
        return Answer(302, headers=(("Location", self._logs.link(text)),))

    def _annotations(self, request: Request, match: re.Match[str]) -> Answer:
        view, job = self._job(int(match.group(1)))
        if not self.can_annotate:
            raise Refusal(403, "Resource not accessible by personal access token",
                          (("X-Accepted-GitHub-Permissions", "checks=read"),))
        secrets = self._dispatching.secrets.values()
        notes = [{**note, "message": output.mask(str(note["message"]), secrets)}
                 for note in output.notes(job, view.run.plan.error)]
        shown, headers = page(notes, request, self._base())
        return json_answer(shown, headers=headers)

    def _job(self, job_id: int) -> tuple[RunView, JobView]:
        view = self.look(job_id // 1000)
        job = next((job for job in view.jobs if job.id == job_id), None)
        if job is None:
            raise Refusal(404, "Not Found")
        return view, job

    def _present(self) -> dict[str, str]:
        """Return what earlier runs have copied by this instant: digests by destination."""
        jobs = [job for run in self.runs.values() for job in self._look(run, self._now()).jobs]
        return {job.image.destination: job.image.digest for job in jobs if job.image and job.conclusion == "success"}

    def _check_name(self, name: str) -> None:
        if not self._dispatching.is_there or name not in (self._dispatching.workflow_file, str(WORKFLOW_ID)):
            raise Refusal(404, "Not Found")

    def _api(self, path: str) -> str:
        return f"{self._base()}/repos/{self._repo}{path}"

    def _page(self, run: Run) -> str:
        return f"{self._base()}/{self._repo}/actions/runs/{run.id}"

    def _shown(self, view: RunView) -> dict[str, object]:
        run = view.run
        url = self._api(f"/actions/runs/{run.id}")
        return {
            "id": run.id, "name": self._dispatching.workflow_file, "display_title": run.title, "status": view.status,
            "conclusion": view.conclusion, "event": "workflow_dispatch", "head_branch": run.branch,
            "head_sha": run.head_sha, "run_number": run.number, "run_attempt": 1, "workflow_id": WORKFLOW_ID,
            "path": f".github/workflows/{self._dispatching.workflow_file}", "created_at": instant(run.created),
            "run_started_at": instant(run.created), "updated_at": instant(view.updated), "url": url,
            "html_url": self._page(run), "jobs_url": f"{url}/jobs", "cancel_url": f"{url}/cancel",
        }

    def _shown_job(self, view: RunView, job: JobView) -> dict[str, object]:
        step = {"name": "Copy" if job.image else "Read images.txt", "number": 2, "status": job.status,
                "conclusion": job.conclusion}
        return {
            "id": job.id, "run_id": view.run.id, "name": job.name, "status": job.status, "conclusion": job.conclusion,
            "started_at": instant(job.started), "completed_at": None if job.ended is None else instant(job.ended),
            "html_url": f"{self._page(view.run)}/job/{job.id}", "check_run_url": self._api(f"/check-runs/{job.id}"),
            "head_sha": view.run.head_sha, "run_attempt": 1, "labels": ["ubuntu-24.04"],
            "steps": [{"name": "Set up job", "number": 1, "status": "completed", "conclusion": "success"}, step],
        }


def _is_wanted(view: RunView, request: Request) -> bool:
    status = request.arg("status")
    return (
        request.arg("event", "workflow_dispatch") == "workflow_dispatch"
        and request.arg("branch", view.run.branch) == view.run.branch
        and request.arg("head_sha", view.run.head_sha) == view.run.head_sha
        and status in ("", view.status, view.conclusion)
        and _is_created(instant(view.run.created), request.arg("created"))
    )


def _is_created(at: str, wanted: str) -> bool:
    """Compare by text, which in this form is the order of time: `A..B`, `>=A`, `<=B`, `>A`, `<B`, a day, an instant."""
    first, dots, last = wanted.partition("..")
    if dots:
        return (first == "*" or at >= first) and (last == "*" or at[: len(last)] <= last)
    for sign, holds in ((">=", at >= wanted[2:]), ("<=", at[: len(wanted) - 2] <= wanted[2:]),
                        (">", at > wanted[1:]), ("<", at < wanted[1:])):
        if wanted.startswith(sign):
            return holds
    return at.startswith(wanted)
