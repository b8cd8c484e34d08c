"""Run the repository's own workflow file with act, straight on this machine, and read what it reported."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wxsync.sandbox.github.stand_in import GitHub

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = Path(".github/workflows/docker-image-sync.yml")
TIME_LIMIT_S = 300


def find_tool(name: str) -> str:
    """Return the path of a tool: beside this Python, where pip puts it, else on PATH, else ""."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name) or ""


@dataclass
class Job:
    """What one job reported: its name (of several, act adds "-" and a count), its one step's result, its annotations
    and its lines in the summary."""

    name: str = ""
    result: str = ""
    commands: list[tuple[str, str, str]] = field(default_factory=list)  # (error or notice, title, message)
    summary: str = ""


@dataclass
class Run:
    """A finished run: the plan job, the matrix jobs by image number, all that act printed, most copies at one time."""

    plan: Job
    images: dict[int, Job]
    output: str
    most_at_once: int

    def line(self, n: int) -> str:
        """Return "error|notice: message" of image n, which must have exactly one annotation, under its own title."""
        job = self.images[n]
        assert [title for _, title, _ in job.commands] == [f"image {n}"], job
        level, _, message = job.commands[0]
        assert (level, job.result) in {("error", "failure"), ("notice", "success")}, job
        return f"{level}: {message}"


class Runner:
    """Starts runs in a directory of its own, the list in the GitHub stand-in; `home` is the HOME that skopeo gets."""

    def __init__(self, directory: Path, home: Path, github: GitHub) -> None:
        self._directory, self._home, self._github = directory, home, github
        (directory / WORKFLOW.parent).mkdir(parents=True)
        shutil.copy(ROOT / WORKFLOW, directory / WORKFLOW)
        git = ["git", "-C", str(directory), "-c", "user.name=e2e", "-c", "user.email=e2e@localhost"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "workflow"]):
            subprocess.run([*git, *command], check=True)

    def run(self, images: str, secrets: Mapping[str, str], **inputs: str) -> Run:
        """Commit the list, dispatch the workflow on that commit and wait for its end."""
        commit = self._github.repository.write(self._github.branch, "images.txt", images.encode(), "list")
        return self.dispatch(secrets, commit=commit.sha, **inputs)

    def dispatch(self, secrets: Mapping[str, str], **inputs: str) -> Run:
        """Run the workflow with these inputs and wait for its end."""
        name = uuid.uuid4().hex
        event, secret_file = self._directory / f"{name}.json", self._directory / f"{name}.secrets"
        event.write_text(json.dumps({"inputs": inputs}))
        given = {"GITHUB_TOKEN": self._github.token, **secrets}
        # In double quotes, or the file's reader takes JSON apart.
        secret_file.write_text("".join(f"{key}={json.dumps(value)}\n" for key, value in given.items()))
        done = subprocess.run(
            [find_tool("act"), "workflow_dispatch", "-C", str(self._directory), "-W", str(WORKFLOW), "-e", str(event),
             "--json", "-P", "ubuntu-24.04=-self-hosted", "--container-daemon-socket", "-", "--no-cache-server",
             "--concurrent-jobs", "10", "--action-cache-path", str(self._directory / "actions"),
             "--secret-file", str(secret_file), "--env", f"GITHUB_API_URL={self._github.url}",
             "--env", f"GITHUB_REPOSITORY={self._github.repo}", "--env", f"HOME={self._home}"],
            capture_output=True, text=True, timeout=TIME_LIMIT_S, env={**os.environ, "HOME": str(self._home)})
        return read_run(done.stdout + done.stderr)


def read_run(output: str) -> Run:
    """Return what act's JSON lines say. act's own jobResult is the whole matrix's, so the step's result counts."""
    run, copying = Run(Job("plan"), {}, output, 0), set[int]()
    for line in output.splitlines():
        record = json.loads(line) if line.startswith("{") else {}
        if record.get("jobID") == "plan":
            _note(run.plan, record)
        elif n := record.get("matrix", {}).get("n"):
            job = run.images.setdefault(int(n), Job())
            job.name = record["job"].partition("/")[2].rstrip()
            _note(job, record)
            if record.get("stage") == "Main":
                (copying.discard if "stepResult" in record else copying.add)(int(n))
            run.most_at_once = max(run.most_at_once, len(copying))
    return run


def _note(job: Job, record: dict[str, Any]) -> None:
    if record.get("command") in ("error", "notice"):
        job.commands.append((record["command"], record["kvPairs"].get("title", ""), record["arg"]))
    elif record.get("command") == "summary":
        job.summary += record["content"]
    elif record.get("stage") == "Main" and "stepResult" in record:
        job.result = record["stepResult"]
