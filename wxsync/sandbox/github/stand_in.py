"""The whole GitHub stand-in: the API, the run pages, the log host, and what tests ask and order. Floor: sandbox."""

from __future__ import annotations

import re
import secrets as random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from wxsync.sandbox.github import output, runs
from wxsync.sandbox.github.actions import Actions
from wxsync.sandbox.github.answers import Refusal
from wxsync.sandbox.github.contents import Contents
from wxsync.sandbox.github.dispatching import Dispatch, Dispatching
from wxsync.sandbox.github.gate import Gate
from wxsync.sandbox.github.loghost import LogHost
from wxsync.sandbox.github.repository import Commit, Repository
from wxsync.sandbox.github.runs import Pace, Run, RunView
from wxsync.sandbox.server import Answer, Request, Server, json_answer

ENTERPRISE_PREFIX = "/api/v3"  # where a GitHub Enterprise Server has its API


class TokenLeaked(AssertionError):
    """The API token was sent to the log host."""


class GitHub:
    """One repository. Ready when made; end it with `close`, which raises TokenLeaked when the log host saw a token.

    now: epoch seconds. secrets: the repository's DOCKER_… secrets, masked in logs and annotations. look: tells how a
    run is at an instant, simulated unless given.
    """

    def __init__(
        self, *, repo: str = "acme/mirror", branch: str = "main", token: str = "",
        workflow: str = "docker-image-sync.yml", files: Mapping[str, bytes] | None = None,
        secrets: Mapping[str, str] | None = None, now: Callable[[], float] = time.time, log_host: str = "127.0.0.1",
        look: Callable[[Run, float], RunView] = runs.look,
    ) -> None:
        self.repo, self.branch = repo, branch
        self.token = token or "ghp_" + random.token_hex(18)
        self.repository = Repository(repo, branch, {"images.txt": b""} if files is None else files, now)
        self.gate = Gate(self.token, now)
        self.logs = LogHost(now, log_host)
        self.contents = Contents(self.repository)
        self.dispatching = Dispatching(self.repository, workflow, now)
        self.dispatching.secrets = dict(secrets or _secrets())
        self.actions = Actions(self.dispatching, self.logs, repo=repo, base=lambda: self.url, now=now,
                               look=look)
        self._lock = threading.Lock()
        self._routes = [(method, re.compile(pattern), call)
                        for method, pattern, call in (*self.contents.routes(), *self.actions.routes())]
        self.server = Server(self._respond)

    @property
    def url(self) -> str:
        """The value for github.api_base."""
        return self.server.url

    @property
    def pace(self) -> Pace:
        """How long the runs take that are dispatched from now on."""
        return self.dispatching.pace

    @pace.setter
    def pace(self, pace: Pace) -> None:
        """Set it; runs that exist keep theirs."""
        self.dispatching.pace = pace

    @property
    def dispatches(self) -> list[Dispatch]:
        """The dispatches that were taken, oldest first."""
        with self._lock:
            return list(self.dispatching.taken)

    def commits(self, path: str = "images.txt") -> list[Commit]:
        """Return the commits that touched a file, oldest first, without the first one of the repository."""
        with self._lock:
            first = self.repository.history(self.branch)[-1]
            return [commit for commit in reversed(self.repository.history(self.branch, path)) if commit != first]

    def text(self, path: str = "images.txt") -> str:
        """Return a file's present text."""
        with self._lock:
            return self.repository.history(self.branch)[0].text(path)

    def run(self, run_id: int) -> RunView:
        """Return a run as the API would show it; Refusal (404) when it would not."""
        with self._lock:
            return self.actions.look(run_id)

    def finish(self, run_id: int) -> None:
        """Let the rest of a run's life pass at once."""
        with self._lock:
            run = self.actions.runs[run_id]
            self.actions.runs[run_id] = replace(run, shift=run.shift + runs.length(run))

    def cancel(self, run_id: int) -> None:
        """Cancel a run by hand, as on the web page."""
        with self._lock:
            self.actions.cancel(run_id)

    def delete(self, run_id: int) -> None:
        """Delete a run by hand, as on the web page."""
        with self._lock:
            del self.actions.runs[run_id]

    def rival_commits(self, times: int) -> None:
        """Let someone else commit images.txt just before each of the next writes, so that their sha is stale."""
        with self._lock:
            self.contents.rivals = times

    def close(self) -> None:
        """End it."""
        self.server.close()
        self.logs.server.close()
        if self.logs.leaks:
            raise TokenLeaked(f"an Authorization header came to the log host: {self.logs.leaks}")

    def _respond(self, request: Request) -> Answer:
        run_page = re.fullmatch(f"/{re.escape(self.repo)}/actions/runs/([0-9]+)(?:/job/[0-9]+)?", request.path)
        with self._lock:
            try:
                if run_page:
                    view = self.actions.look(int(run_page.group(1)))
                    return Answer(200, output.page(view).encode("utf-8"), "text/html; charset=utf-8")
                self.gate.check(request)
                answer = self._call(request)
            except Refusal as refusal:
                answer = refusal.answer()
            return self.gate.finish(request, answer)

    def _call(self, request: Request) -> Answer:
        path = request.path[len(ENTERPRISE_PREFIX) :] if request.path.startswith(ENTERPRISE_PREFIX) else request.path
        root = f"/repos/{self.repo}"
        if path[: len(root)].casefold() != root.casefold():
            raise Refusal(404, "Not Found")
        if path[len(root) :] == "" and request.method == "GET":
            return json_answer({"full_name": self.repo, "default_branch": self.branch, "private": True})
        for method, pattern, call in self._routes:
            match = pattern.fullmatch(path[len(root) :])
            if match and method == request.method:
                return call(request, match)
        raise Refusal(404, "Not Found")


def _secrets() -> dict[str, str]:
    return {"DOCKER_REGISTRY": "registry.cn-hangzhou.aliyuncs.com", "DOCKER_NAMESPACE": "wxsync-demo",
            "DOCKER_USERNAME": "robot-" + random.token_hex(6), "DOCKER_PASSWORD": random.token_hex(12)}
