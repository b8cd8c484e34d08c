"""A plain client of the GitHub stand-in, for its own tests."""

from __future__ import annotations

import base64

from tests.support.plain_client import call


class Client:
    """Calls one repository with a token."""

    def __init__(self, github, token=None):
        self.github = github
        self.root = f"/repos/{github.repo}"
        self.headers = {"Authorization": f"Bearer {token or github.token}", "User-Agent": "tests",
                        "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

    def get(self, path, **headers):
        return call(self.github.server.port, "GET", self.root + path, None, {**self.headers, **headers})

    def post(self, path, body=None):
        return call(self.github.server.port, "POST", self.root + path, body, self.headers)

    def put_list(self, text, sha=None, **fields):
        """Write images.txt; sha: None takes the present one, "" leaves it out."""
        if sha is None:
            sha = self.get("/contents/images.txt").json()["sha"]
        content = base64.b64encode(text.encode("utf-8")).decode("ascii")
        body = {"message": "sync", "content": content, "branch": self.github.branch, **({"sha": sha} if sha else {})}
        path = self.root + "/contents/images.txt"
        return call(self.github.server.port, "PUT", path, {**body, **fields}, self.headers)

    def dispatch(self, request_id="r1", **fields):
        body = {"ref": self.github.branch, "inputs": {"request_id": request_id}, "return_run_details": True, **fields}
        return self.post("/actions/workflows/docker-image-sync.yml/dispatches", body)

    def sync(self, *lines, request_id="r1"):
        """Write one block, dispatch it and return the run's id."""
        text = self.github.text() + f"# request {request_id}\n" + "".join(f"{line}\n" for line in lines)
        commit = self.put_list(text).json()["commit"]["sha"]
        inputs = {"request_id": request_id, "commit": commit}
        return self.dispatch(inputs=inputs).json()["workflow_run_id"]

    def jobs(self, run_id):
        return self.get(f"/actions/runs/{run_id}/jobs?filter=latest&per_page=100").json()["jobs"]
