"""The workflow file keeps the form that the daemon and GitHub rely on."""
from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.workflow import workflow_file

WORKFLOW = workflow_file.read()
TEXT = workflow_file.PATH.read_text(encoding="utf-8")
JOBS = ("plan", "image")


def test_only_a_dispatch_starts_it_with_four_optional_texts() -> None:
    assert list(WORKFLOW["on"]) == ["workflow_dispatch"]
    inputs = WORKFLOW["on"]["workflow_dispatch"]["inputs"]
    assert list(inputs) == ["request_id", "commit", "registry", "namespace"]
    for each in inputs.values():
        assert (each["type"], each["required"], each["default"]) == ("string", "false", "")


def test_the_run_is_found_by_its_name() -> None:
    assert WORKFLOW["run-name"] == "sync ${{ inputs.request_id || github.run_id }}"


def test_it_has_two_jobs_on_a_pinned_runner_with_an_end() -> None:
    assert list(WORKFLOW["jobs"]) == list(JOBS)
    for job in JOBS:
        assert WORKFLOW["jobs"][job]["runs-on"] == "ubuntu-24.04"
        assert 0 < int(WORKFLOW["jobs"][job]["timeout-minutes"]) <= 360


def test_it_may_read_the_repository_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["jobs"]["image"]["permissions"] == {}
    assert "permissions" not in WORKFLOW["jobs"]["plan"]


def test_one_failing_image_does_not_stop_the_others() -> None:
    strategy = WORKFLOW["jobs"]["image"]["strategy"]
    assert (strategy["fail-fast"], strategy["max-parallel"]) == ("false", "10")
    assert strategy["matrix"] == "${{ fromJSON(needs.plan.outputs.matrix) }}"


def test_a_waiting_run_is_never_cancelled_by_the_next() -> None:
    assert not re.search(r"^ *concurrency:", TEXT, re.MULTILINE)


def test_the_image_s_number_stands_in_the_job_s_name() -> None:
    assert WORKFLOW["jobs"]["image"]["name"] == "image ${{ matrix.n }} ${{ matrix.source }}"


def test_no_foreign_action_is_used() -> None:
    assert "uses:" not in TEXT


def test_secrets_reach_the_matrix_job_only() -> None:
    before, _, image = TEXT.partition("\n  image:\n")
    assert "secrets." not in before
    assert set(re.findall(r"secrets\.(\w+)", image)) == {
        "DOCKER_REGISTRY", "DOCKER_NAMESPACE", "DOCKER_USERNAME", "DOCKER_PASSWORD", "SOURCE_AUTH_JSON"}


def test_the_list_is_read_at_the_commit_of_the_request() -> None:
    (step,) = WORKFLOW["jobs"]["plan"]["steps"]
    assert step["env"]["COMMIT"] == "${{ inputs.commit || github.sha }}"
    assert step["env"]["API_URL"] == "${{ github.api_url }}"


@pytest.mark.parametrize("job", JOBS)
def test_nothing_from_outside_is_pasted_into_a_script(job: str) -> None:
    assert "${{" not in workflow_file.shell(job)
    assert workflow_file.shell(job).startswith("set -euo pipefail\n")


@pytest.mark.parametrize("job", JOBS)
def test_shellcheck_finds_nothing(job: str) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "--shell=bash", "-"], input=workflow_file.shell(job), capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
