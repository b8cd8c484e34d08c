"""What the daemon asks of GitHub: the list, the dispatch, the run and its results. Floor: remote, pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from wxsync.errors import RemoteFault
from wxsync.remote.exchange import Transport
from wxsync.remote.github import report
from wxsync.remote.github.calls import Calls
from wxsync.remote.github.faults import GitHubFault
from wxsync.remote.github.report import ImageResult, Remark, RunReport

LIST = "images.txt"
KEPT_ETAGS = 64


@dataclass(frozen=True)
class ListFile:
    """images.txt on the branch, and the blob's sha that the next write must name."""

    text: str
    sha: str


@dataclass(frozen=True)
class RunRef:
    """A workflow run: its number and its page."""

    id: int
    url: str


@dataclass(frozen=True)
class Run:
    """status: queued, in_progress, completed, …; conclusion is empty until it is completed."""

    id: int
    status: str
    conclusion: str
    url: str


class GitHub:
    """One repository. Waiting and trying again belong to the caller; used by one thread at a time."""

    def __init__(
        self, transport: Transport, *, api_base: str, token: str, repo: str, branch: str, workflow: str
    ) -> None:
        self._calls = Calls(transport, api_base=api_base, token=token, repo=repo, branch=branch)
        self._branch = branch
        self._workflow = f"/actions/workflows/{quote(workflow, safe='')}"
        self._seen_runs: dict[int, tuple[str, Run]] = {}
        self._may_annotate = True

    @property
    def token_expires(self) -> datetime | None:
        """When the token ends, as the newest answer told; None while that is unknown. Any thread may ask."""
        return self._calls.token_expires

    def read_list(self, ref: str = "") -> ListFile | None:
        """Return the list at a commit, or on the branch; None when the repository has none yet. Raises GitHubFault."""
        path = f"/contents/{LIST}?{urlencode({'ref': ref or self._branch})}"
        try:
            data = self._calls.get_json(path)
        except GitHubFault as fault:
            if fault.kind != "missing":
                raise
            # GitHub hides a repository that the token may not see behind the same 404.
            self._calls.get("")
            return None
        try:
            content = base64.b64decode(data["content"])
            return ListFile(content.decode("utf-8", "replace"), str(data["sha"]))
        except (KeyError, TypeError, binascii.Error) as error:
            raise self._calls.bad_answer(path) from error

    def write_list(self, text: str, *, message: str, sha: str | None) -> str:
        """Write the list over the version sha (None: there is none); return the commit. Raises Conflict."""
        body = {"message": message, "content": base64.b64encode(text.encode()).decode(), "branch": self._branch}
        path = f"/contents/{LIST}"
        response = self._calls.send_json("PUT", path, {**body, "sha": sha} if sha else body, (200, 201))
        try:
            return str(self._calls.object_of(response, path)["commit"]["sha"])
        except (KeyError, TypeError) as error:
            raise self._calls.bad_answer(path) from error

    def last_commit(self) -> str:
        """Return the newest commit that changed the list on the branch. Raises GitHubFault."""
        path = f"/commits?{urlencode({'path': LIST, 'sha': self._branch, 'per_page': 1})}"
        try:
            return str(json.loads(self._calls.get(path).body)[0]["sha"])
        except (ValueError, LookupError, TypeError) as error:
            raise self._calls.bad_answer(path) from error

    def dispatch(self, *, request_id: str, commit: str, registry: str, namespace: str) -> RunRef | None:
        """Start the workflow; return its run when GitHub names it (older servers do not). Raises GitHubFault.

        A fault with maybe_done: the run may exist; look for it by its request id before anything else.
        """
        inputs = {"request_id": request_id, "commit": commit, "registry": registry, "namespace": namespace}
        body: dict[str, object] = {"ref": self._branch, "inputs": inputs}
        path = f"{self._workflow}/dispatches"
        try:
            response = self._calls.send_json("POST", path, {**body, "return_run_details": True}, (200, 204))
        except GitHubFault as fault:
            if fault.status != 422 or "return_run_details" not in fault.what:
                raise
            # An older GitHub Enterprise refuses the unknown key before it starts anything.
            response = self._calls.send_json("POST", path, body, (200, 204))
        if response.status == 204:
            return None
        data = self._calls.object_of(response, path)
        try:
            return RunRef(int(data["workflow_run_id"]), _page(data))
        except (KeyError, TypeError, ValueError):
            return None

    def find_run(self, request_id: str, since: datetime) -> RunRef | None:
        """Return the run whose name carries the request id, started after since; None while none is visible."""
        created = since.astimezone(timezone.utc).strftime(">=%Y-%m-%dT%H:%M:%SZ")
        query = {"event": "workflow_dispatch", "branch": self._branch, "created": created, "per_page": 50}
        for page in self._calls.pages(f"{self._workflow}/runs?{urlencode(query)}"):
            for run in _objects(page.get("workflow_runs")):
                if run.get("display_title") == f"sync {request_id}" and isinstance(run.get("id"), int):
                    return RunRef(run["id"], _page(run))
        return None

    def run(self, run_id: int) -> Run:
        """Return how the run is; an unchanged one costs nothing of the rate limit. Raises GitHubFault."""
        etag, seen = self._seen_runs.get(run_id, ("", None))
        path = f"/actions/runs/{run_id}"
        response = self._calls.get(path, etag=etag)
        if response.status == 304 and seen is not None:
            return seen
        data = self._calls.object_of(response, path)
        run = Run(run_id, str(data.get("status")), str(data.get("conclusion") or ""), _page(data))
        while len(self._seen_runs) >= KEPT_ETAGS:
            del self._seen_runs[next(iter(self._seen_runs))]
        self._seen_runs[run_id] = (response.header("ETag") or "", run)
        return run

    def cancel(self, run_id: int) -> None:
        """Stop a run; harmless twice, and when it has ended already. It completes some seconds later."""
        self._calls.send_json("POST", f"/actions/runs/{run_id}/cancel", {}, (202, 409))

    def images(self, run_id: int) -> RunReport:
        """Return the result of each image of a run, with reasons. Raises GitHubFault when the jobs cannot be listed."""
        path = f"/actions/runs/{run_id}/jobs?{urlencode({'filter': 'latest', 'per_page': 100})}"
        jobs = [job for page in self._calls.pages(path) for job in _objects(page.get("jobs"))]
        faults: list[RemoteFault] = []
        images: list[ImageResult] = []
        whole = ("", "")
        for job in jobs:
            n = report.image_number(job)
            if n:
                images.append(report.image_result(n, job, self._remarks(job, faults)))
            elif job.get("conclusion") == "failure" and not whole[1]:
                whole = report.reason_of(job, self._remarks(job, faults))
        return RunReport(tuple(images), *whole, fault=faults[0] if faults else None)

    def _remarks(self, job: dict[str, Any], faults: list[RemoteFault]) -> list[Remark]:
        """Return what a finished job said, by its annotations, else by its log; a temporary fault is put aside."""
        if faults or job.get("conclusion") not in {"success", "failure"}:
            return []  # after one time-out the others would only add theirs; the caller may ask again
        try:
            return self._annotations(job) or report.log_remarks(self._calls.log(f"/actions/jobs/{job['id']}/logs").body)
        except RemoteFault as fault:
            if fault.temporary:
                faults.append(fault)
            return []

    def _annotations(self, job: dict[str, Any]) -> list[Remark]:
        if not self._may_annotate:
            return []
        try:
            # The check run has the job's own number (and check_run_url names it).
            response = self._calls.get(f"/check-runs/{job['id']}/annotations")
        except GitHubFault as fault:
            if fault.kind in {"permission", "missing"}:
                # No fine-grained token can read annotations; the log says the same.
                self._may_annotate = False
                return []
            raise
        try:
            return report.annotation_remarks(json.loads(response.body))
        except ValueError as error:
            raise self._calls.bad_answer("/annotations") from error


def _objects(listed: Any) -> list[dict[str, Any]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _page(data: dict[str, Any]) -> str:
    """Return html_url when it is a link that a member may be shown."""
    url = str(data.get("html_url") or "")
    return url if urlsplit(url).scheme in {"http", "https"} and len(url) <= 500 else ""
