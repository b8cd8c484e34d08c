"""Each workflow file satisfies every linter that works without GitHub."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import need
from tests.e2e.runner import ROOT, WORKFLOW, find_tool
from tests.workflow import workflow_file

WORKFLOWS = sorted(WORKFLOW.parent.glob("*.yml"))
LINTERS = (
    ["act", "--validate", "--strict", "-W"],
    ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    ["zizmor", "--offline", "--no-progress"],
    ["yamllint", "-d", "{extends: relaxed, rules: {line-length: {max: 120}}}", "--strict"],
)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.stem))
@pytest.mark.parametrize("command", LINTERS, ids=lambda command: str(command[0]))
def test_the_linter_finds_nothing(command: list[str], path: Path) -> None:
    need(command[0])
    done = subprocess.run([find_tool(command[0]), *command[1:], str(path)], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("job", ["plan", "image"])
def test_shellcheck_finds_nothing(job: str) -> None:
    need("shellcheck")
    done = subprocess.run(["shellcheck", "--shell=bash", "-"], input=workflow_file.shell(job), capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_file_reads_the_same_with_a_whole_yaml_parser() -> None:
    """The suite reads the file by a few lines of its own; here they answer to a real parser."""
    yaml = pytest.importorskip("yaml")
    whole = yaml.load(workflow_file.PATH.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert workflow_file.read() == whole


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_our_own_workflows_pin_what_they_use_and_ask_for_no_more_than_they_need(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    text = (WORKFLOW.parent / name).read_text(encoding="utf-8")
    whole = yaml.load(text, Loader=yaml.BaseLoader)
    assert whole["permissions"] == {}
    uses = [step["uses"] for job in whole["jobs"].values() for step in job["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in uses)
    granted = [permission for job in whole["jobs"].values() for permission in job["permissions"].items()]
    assert set(granted) == {("contents", "write" if name == "release.yml" else "read")}
    targets = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    assert set(re.findall(r"\bmake ([a-z0-9-]+)", text)) - {"targets"} <= targets | {"dist", "dist-check"}


def test_a_commit_of_the_days_list_starts_no_checks() -> None:
    yaml = pytest.importorskip("yaml")
    whole = yaml.load((WORKFLOW.parent / "ci.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert whole["on"]["push"]["paths-ignore"] == ["images.txt"]
