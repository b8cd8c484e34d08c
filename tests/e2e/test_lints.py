"""The workflow file satisfies every linter that works without GitHub."""
from __future__ import annotations

import subprocess

import pytest

from tests.e2e.conftest import need
from tests.e2e.runner import ROOT, WORKFLOW, find_tool
from tests.workflow import workflow_file

LINTERS = (
    ["act", "--validate", "--strict", "-W", str(WORKFLOW)],
    ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)],
    ["zizmor", "--offline", "--no-progress", str(WORKFLOW)],
    ["yamllint", "-d", "relaxed", "--strict", str(WORKFLOW)],
)


@pytest.mark.parametrize("command", LINTERS, ids=lambda command: str(command[0]))
def test_the_linter_finds_nothing(command: list[str]) -> None:
    need(command[0])
    done = subprocess.run([find_tool(command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=120)
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
